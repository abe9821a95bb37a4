// JPEG pictures by libjpeg(-turbo). The library leaves its functions by longjmp, which must pass over no
// object with a destructor: so every call of it stands in a function that has none, and says by its result
// whether it failed.
#pragma once

#include <algorithm>
#include <csetjmp>
#include <cstdint>
#include <cstdio>  // jpeglib.h needs it and does not say so
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <jpeglib.h>
#include <jerror.h>

#include <sdepth/core/error.hpp>
#include <sdepth/data/picture.hpp>
#include <sdepth/pictures/limits.hpp>
#include <sdepth/pictures/orientation.hpp>

namespace sdepth::inline SDEPTH_ISA::detail {

class JpegDecoder {
 public:
  /// @param bytes  a whole file, which must outlive this   @param where  names it in messages
  JpegDecoder(std::span<const std::uint8_t> bytes, std::string where)
      : bytes_(bytes), where_(std::move(where)) {
    state_.library.err = jpeg_std_error(&state_.errors);
    state_.errors.error_exit = leave;
    state_.errors.emit_message = note;
    state_.errors.output_message = [](j_common_ptr) {};
  }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;
  ~JpegDecoder() {
    if (state_.created) jpeg_destroy_decompress(&state_.library);
  }

  /// The size as it lies in the file, before it is turned upright. Throws Error where there is none, or it is
  /// above the limit.
  Shape read_header(const PictureLimits& limits) {
    if (!call(begin)) broken();
    const Shape shape{3, static_cast<int>(state_.library.image_height),
                      static_cast<int>(state_.library.image_width)};
    limits.check(shape, where_);
    return shape;
  }

  /// The picture as RGB, upright. Throws Error where the file is damaged or cut off.
  void decode(Picture& picture, const PictureLimits& limits) {
    picture.shape = read_header(limits);
    const int turned = orientation();  // of the markers, which end with the picture
    state_.cmyk = state_.library.jpeg_color_space == JCS_CMYK || state_.library.jpeg_color_space == JCS_YCCK;
    const std::size_t width = static_cast<std::size_t>(picture.shape.width), channels = state_.cmyk ? 4 : 3;
    pixels_.resize(static_cast<std::size_t>(picture.shape.height) * width * channels);
    state_.pixels = pixels_.data();
    state_.row_bytes = width * channels;
    if (!call(read_rows)) broken();
    if (state_.cut_off)
      fail(where_,
           " is cut off or damaged: the picture's data end before the picture does; replace the file");
    if (state_.cmyk)
      from_cmyk(picture);
    else
      picture.bytes.swap(pixels_);
    picture.numbers.clear();
    turn_upright(picture, turned);
  }

 private:
  /// What the library's functions see: nothing here has a destructor.
  struct State {
    jpeg_decompress_struct library{};
    jpeg_error_mgr errors{};
    std::jmp_buf way_out{};
    char message[JMSG_LENGTH_MAX]{};
    std::uint8_t* pixels = nullptr;
    std::size_t row_bytes = 0;
    bool created = false, cmyk = false, cut_off = false;
  };
  static State& state_of(j_common_ptr library) { return *reinterpret_cast<State*>(library); }

  [[noreturn]] static void leave(j_common_ptr library) {
    State& state = state_of(library);
    (*library->err->format_message)(library, state.message);
    std::longjmp(state.way_out, 1);
  }
  /// Warnings: the library goes on with grey where data are missing, which is no picture to learn from.
  /// Others are harmless, as stray bytes.
  static void note(j_common_ptr library, int level) {
    const int code = library->err->msg_code;
    if (level < 0 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE))
      state_of(library).cut_off = true;
  }

  static void begin(State& state, const std::uint8_t* bytes, unsigned long size) {
    jpeg_create_decompress(&state.library);
    state.created = true;
    jpeg_mem_src(&state.library, bytes, size);
    jpeg_save_markers(&state.library, JPEG_APP0 + 1, 0xFFFF);  // EXIF
    jpeg_read_header(&state.library, TRUE);
  }
  static void read_rows(State& state, const std::uint8_t*, unsigned long) {
    jpeg_decompress_struct& library = state.library;
    library.out_color_space = state.cmyk ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&library);
    while (library.output_scanline < library.output_height) {
      JSAMPROW row = state.pixels + library.output_scanline * state.row_bytes;
      jpeg_read_scanlines(&library, &row, 1);
      // A small file may ask for thousands of passes over a large picture.
      if (library.input_scan_number > most_scans) ERREXIT(&library, JERR_BAD_PROGRESSION);
    }
    jpeg_finish_decompress(&library);
  }
  static constexpr int most_scans = 500;

  [[nodiscard]] bool call(void (*function)(State&, const std::uint8_t*, unsigned long)) {
    return guarded(state_, function, bytes_.data(), bytes_.size());
  }
  static bool guarded(State& state, void (*function)(State&, const std::uint8_t*, unsigned long),
                      const std::uint8_t* bytes, unsigned long size) {
    if (setjmp(state.way_out) != 0) return false;
    function(state, bytes, size);
    return true;
  }
  [[noreturn]] void broken() const { fail(where_, " is damaged: ", state_.message, "; replace the file"); }

  /// Adobe's programs write inks as what they leave of the paper's white.
  void from_cmyk(Picture& picture) {
    const bool inverted = state_.library.saw_Adobe_marker != 0;
    picture.bytes.resize(picture.shape.size());
    for (std::size_t i = 0; i < picture.shape.pixels(); ++i)
      for (std::size_t c = 0; c < 3; ++c) {
        int ink = pixels_[4 * i + c], black = pixels_[4 * i + 3];
        if (!inverted) ink = 255 - ink, black = 255 - black;
        picture.bytes[3 * i + c] = static_cast<std::uint8_t>((ink * black + 127) / 255);
      }
  }
  [[nodiscard]] int orientation() const {
    for (auto marker = state_.library.marker_list; marker != nullptr; marker = marker->next) {
      constexpr char head[] = "Exif\0";  // and the 0 that ends a text
      if (marker->marker == JPEG_APP0 + 1 && marker->data_length > 6 &&
          std::equal(head, head + 6, reinterpret_cast<const char*>(marker->data)))
        return exif_orientation({marker->data + 6, marker->data_length - 6});
    }
    return 1;
  }

  State state_;
  std::span<const std::uint8_t> bytes_;
  std::string where_;
  std::vector<std::uint8_t> pixels_;
};

}  // namespace sdepth::inline SDEPTH_ISA::detail
