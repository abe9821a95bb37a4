// A picture file, or its bytes in memory, as an RGB picture: what it is decides its first bytes, not its
// name.
#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/core/utf8.hpp>
#include <sdepth/data/picture.hpp>
#include <sdepth/pictures/jpeg.hpp>
#include <sdepth/pictures/limits.hpp>
#include <sdepth/pictures/png.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// A path for a sentence, whatever bytes it is made of.
[[nodiscard]] inline std::string shown(const std::filesystem::path& path) {
  return shown_as_utf8(path.string());
}

/// What a file's first bytes say it is.
enum class PictureFormat { jpeg, png, other };
[[nodiscard]] inline PictureFormat format_of(std::span<const std::uint8_t> bytes) noexcept {
  constexpr std::array<std::uint8_t, 8> png{0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  constexpr std::array<std::uint8_t, 3> jpeg{0xFF, 0xD8, 0xFF};
  if (bytes.size() >= png.size() && std::equal(png.begin(), png.end(), bytes.begin()))
    return PictureFormat::png;
  if (bytes.size() >= jpeg.size() && std::equal(jpeg.begin(), jpeg.end(), bytes.begin()))
    return PictureFormat::jpeg;
  return PictureFormat::other;
}

/// Calls body(decoder) with the decoder for these bytes. Throws Error where there is none.
template <class Body>
auto with_decoder(std::span<const std::uint8_t> bytes, const std::string& where, const Body& body) {
  if (bytes.empty()) fail(where, " is empty; replace the file");
  const PictureFormat format = format_of(bytes);
  if (format == PictureFormat::other) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()),
                                std::min<std::size_t>(bytes.size(), 12));
    const char* known = text.starts_with("GIF8")                             ? "a GIF picture"
                        : text.starts_with("BM")                             ? "a BMP picture"
                        : text.starts_with("RIFF") && text.ends_with("WEBP") ? "a WebP picture"
                        : text.starts_with("II*") || text.starts_with(std::string_view("MM\0*", 4))
                            ? "a TIFF picture"
                            : "no picture that is known here";
    fail(where, " is ", known, ", expected PNG or JPEG; convert or remove the file");
  }
  if (format == PictureFormat::png) {
    detail::PngDecoder decoder(bytes, where);
    return body(decoder);
  }
  detail::JpegDecoder decoder(bytes, where);
  return body(decoder);
}

/// Decodes a PNG or JPEG in memory: grey, palettes, 16 bits, transparency and CMYK become 3 bytes RGB, and
/// EXIF's orientation is obeyed.
/// @param where  names it in messages. Throws Error where it is damaged, cut off, of another format, or above
///               the limits.
inline void decode_picture(std::span<const std::uint8_t> bytes, const std::string& where, Picture& picture,
                           const PictureLimits& limits = {}) {
  with_decoder(bytes, where, [&](auto& decoder) { decoder.decode(picture, limits); });
}

/// Bytes of a file beyond which nothing is read.
inline constexpr std::uintmax_t largest_picture_file = std::uintmax_t{1} << 30;

/// Reads up to `most` bytes of a file. Throws Error with the path where that cannot be.
inline void read_picture_file(const std::filesystem::path& path, std::vector<std::uint8_t>& bytes,
                              std::uintmax_t most) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found)
    fail(shown(path), " is missing; check the path");
  if (std::filesystem::status_known(status) && !std::filesystem::is_regular_file(status))
    fail(shown(path), " is not a file; check the path");
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  std::ifstream file(path, std::ios::binary);
  if (error || !file)
    fail(shown(path), " cannot be opened for reading: ", error ? error.message() : std::strerror(errno),
         "; check its permissions");
  bytes.resize(static_cast<std::size_t>(std::min(size, most)));
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (file.bad() || file.gcount() != static_cast<std::streamsize>(bytes.size()))
    fail(shown(path), " cannot be read to its end: ", std::strerror(errno), "; check the disk");
}

/// Decodes a picture file. @param bytes  memory for the file, used again and again   Throws Error with the
/// path where it is no good picture.
inline void decode_picture_file(const std::filesystem::path& path, std::vector<std::uint8_t>& bytes,
                                Picture& picture, const PictureLimits& limits = {}) {
  read_picture_file(path, bytes, largest_picture_file);
  decode_picture(bytes, shown(path), picture, limits);
}

/// Looks at a file's beginning: its format and size. Throws Error with the path where it is no picture. What
/// is cut off further behind is found by decoding alone.
inline Shape check_picture_file(const std::filesystem::path& path, const PictureLimits& limits = {}) {
  std::vector<std::uint8_t> bytes;
  const std::string where = shown(path);
  const auto look = [&](std::uintmax_t most) {
    read_picture_file(path, bytes, most);
    return with_decoder(bytes, where, [&](auto& decoder) { return decoder.read_header(limits); });
  };
  constexpr std::uintmax_t beginning = 1 << 16;
  try {
    return look(beginning);
  } catch (const Error&) {
    if (bytes.size() < beginning) throw;
    return look(largest_picture_file);  // thumbnails and profiles may stand before a JPEG's size
  }
}

}  // namespace sdepth::inline SDEPTH_ISA
