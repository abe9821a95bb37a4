// The library's version, for programs that say theirs. CMakeLists.txt reads it here.
#pragma once

#include <string_view>

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA {

inline constexpr std::string_view version = "0.1.0";

}  // namespace sdepth::inline SDEPTH_ISA
