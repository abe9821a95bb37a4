// How large a picture may be: a few bytes of a file can claim gigabytes of pixels.
#pragma once

#include <cstdint>
#include <string>

#include <sdepth/core/error.hpp>
#include <sdepth/core/shape.hpp>

namespace sdepth::inline SDEPTH_ISA {

struct PictureLimits {
  std::uint64_t pixels = 100'000'000;  ///< of one picture; 300 MB as RGB

  /// Throws Error where a picture that says it is of that shape has no pixels or too many.
  void check(Shape shape, const std::string& where) const {
    if (shape.height < 1 || shape.width < 1)
      fail(where, " is damaged: it has ", shape.width, " x ", shape.height, " pixels; replace the file");
    const std::uint64_t claimed =
        static_cast<std::uint64_t>(shape.height) * static_cast<std::uint64_t>(shape.width);
    if (claimed > pixels)
      fail(where, " has ", shape.width, " x ", shape.height, " pixels, more than the ", pixels,
           " that a picture may have; shrink it, or raise the limit where the file can be trusted");
  }
};

}  // namespace sdepth::inline SDEPTH_ISA
