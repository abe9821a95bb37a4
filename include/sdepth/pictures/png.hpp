// PNG pictures by libpng. It leaves its functions by longjmp, too: see jpeg.hpp for what follows from that.
#pragma once

#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <png.h>

#include <sdepth/core/error.hpp>
#include <sdepth/data/picture.hpp>
#include <sdepth/pictures/limits.hpp>
#include <sdepth/pictures/orientation.hpp>

namespace sdepth::inline SDEPTH_ISA::detail {

class PngDecoder {
 public:
  /// @param bytes  a whole file, which must outlive this   @param where  names it in messages
  PngDecoder(std::span<const std::uint8_t> bytes, std::string where) : where_(std::move(where)) {
    state_.bytes = bytes.data();
    state_.left = bytes.size();
    state_.library = png_create_read_struct(PNG_LIBPNG_VER_STRING, &state_, leave, ignore);
    if (state_.library) state_.info = png_create_info_struct(state_.library);
    if (!state_.info) {
      png_destroy_read_struct(&state_.library, nullptr, nullptr);
      fail(where_, " cannot be decoded: libpng refuses to start, its version or memory does not fit");
    }
  }
  PngDecoder(const PngDecoder&) = delete;
  PngDecoder& operator=(const PngDecoder&) = delete;
  ~PngDecoder() { png_destroy_read_struct(&state_.library, &state_.info, nullptr); }

  /// The size as it lies in the file, before it is turned upright. Throws Error where there is none, or it is
  /// above the limit.
  Shape read_header(const PictureLimits& limits) {
    if (!guarded(state_, begin)) broken();
    const Shape shape{3, static_cast<int>(state_.height), static_cast<int>(state_.width)};
    limits.check(shape, where_);
    return shape;
  }

  /// The picture as RGB, upright; transparency is left out, as by Pillow's convert("RGB"). Throws Error where
  /// the file is damaged or cut off.
  void decode(Picture& picture, const PictureLimits& limits) {
    picture.shape = read_header(limits);
    const auto height = static_cast<std::size_t>(picture.shape.height),
               row = static_cast<std::size_t>(picture.shape.width) * 3;
    if (!guarded(state_, to_rgb)) broken();
    if (state_.row_bytes != row)
      fail(where_, " cannot be made RGB: a row has ", state_.row_bytes, " bytes, expected ", row);
    picture.numbers.clear();
    picture.bytes.resize(height * row);
    std::vector<png_bytep> rows(height);
    for (std::size_t y = 0; y < height; ++y) rows[y] = picture.bytes.data() + y * row;
    state_.rows = rows.data();
    if (!guarded(state_, read_rows)) broken();
    turn_upright(picture, exif_orientation({state_.exif, state_.exif_size}));
  }

 private:
  /// What the library's functions see: nothing here has a destructor.
  struct State {
    png_structp library = nullptr;
    png_infop info = nullptr;
    std::jmp_buf way_out{};
    char message[200]{};
    const std::uint8_t* bytes = nullptr;
    std::size_t left = 0, row_bytes = 0;
    png_uint_32 height = 0, width = 0;
    png_bytepp rows = nullptr;
    png_bytep exif = nullptr;  // the library's
    std::size_t exif_size = 0;
  };

  [[noreturn]] static void leave(png_structp library, png_const_charp message) {
    State& state = *static_cast<State*>(png_get_error_ptr(library));
    std::strncpy(state.message, message, sizeof(state.message) - 1);
    std::longjmp(state.way_out, 1);
  }
  static void ignore(png_structp, png_const_charp) {}
  static void read(png_structp library, png_bytep to, std::size_t count) {
    State& state = *static_cast<State*>(png_get_io_ptr(library));
    if (count > state.left) png_error(library, "the file is cut off");
    std::memcpy(to, state.bytes, count);
    state.bytes += count;
    state.left -= count;
  }

  static void begin(State& state) {
    png_set_read_fn(state.library, &state, read);
    png_set_user_limits(state.library, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // PictureLimits says how large
    // texts and profiles, which nobody reads here
    png_set_chunk_malloc_max(state.library, 16U << 20);
    png_read_info(state.library, state.info);
    state.height = png_get_image_height(state.library, state.info);
    state.width = png_get_image_width(state.library, state.info);
  }
  static void to_rgb(State& state) {
    png_set_scale_16(state.library);
    png_set_expand(state.library);  // palettes, and grey of fewer than 8 bits
    png_set_gray_to_rgb(state.library);
    png_set_strip_alpha(state.library);
    png_set_interlace_handling(state.library);
    png_read_update_info(state.library, state.info);
    state.row_bytes = png_get_rowbytes(state.library, state.info);
  }
  static void read_rows(State& state) {
    png_read_image(state.library, state.rows);
    png_read_end(state.library, state.info);
    png_uint_32 size = 0;
    if (png_get_eXIf_1(state.library, state.info, &size, &state.exif) != 0) state.exif_size = size;
  }
  static bool guarded(State& state, void (*function)(State&)) {
    if (setjmp(state.way_out) != 0) return false;
    function(state);
    return true;
  }
  [[noreturn]] void broken() const { fail(where_, " is damaged: ", state_.message, "; replace the file"); }

  State state_;
  std::string where_;
};

}  // namespace sdepth::inline SDEPTH_ISA::detail
