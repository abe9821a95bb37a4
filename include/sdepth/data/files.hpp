// How data files are opened and read: sizes are checked before memory is taken, and every failure is one
// sentence with the path.
#pragma once

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <sdepth/core/error.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// 30730000 → "30,730,000".
[[nodiscard]] inline std::string grouped(std::uintmax_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

/// What to do about a file that is cut off or altered; ends most sentences about one.
inline constexpr std::string_view download_again =
    "the download was probably cut off or altered, delete it and fetch it again";

/// Whether there is something of that name, whatever it is. What may not be looked at is not there.
[[nodiscard]] inline bool is_there(const std::filesystem::path& path) noexcept {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

/// Of several names that a file may have, the first that is one; where none is, the first that is there, for
/// a sentence about what it is instead; else nothing.
[[nodiscard]] inline std::filesystem::path first_file(const std::vector<std::filesystem::path>& names) {
  std::filesystem::path other;
  for (const auto& name : names) {
    std::error_code ignored;
    if (std::filesystem::is_regular_file(name, ignored)) return name;
    if (other.empty() && is_there(name)) other = name;
  }
  return other;
}

/// Size in bytes of a file that must be there. Throws Error with `what` (the data set) and the path where it
/// is not.
[[nodiscard]] inline std::uintmax_t file_size(const std::filesystem::path& path, std::string_view what) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found)
    fail(what, ": ", path.string(), " is missing; check the directory or fetch the data set");
  if (std::filesystem::is_directory(status))
    fail(
        what, ": ", path.string(),
        " is not a file but a directory; put the file that belongs there, which may lie in it, in its place");
  if (std::filesystem::status_known(status) && !std::filesystem::is_regular_file(status))
    fail(what, ": ", path.string(), " is not a file; check the directory");
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error)
    fail(what, ": the size of ", path.string(), " cannot be read: ", error.message(),
         "; check the permissions of the directory");
  return size;
}

/// Opens a file for reading as it is.
[[nodiscard]] inline std::ifstream open_file(const std::filesystem::path& path, std::string_view what) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(what, ": ", path.string(), " cannot be opened for reading: ", std::strerror(errno));
  return file;
}

/// A file read from front to back, unpacked on the way where it is a .gz.
class UnpackedFile {
 public:
  /// Throws Error where the file is missing, empty or unreadable.
  UnpackedFile(std::filesystem::path path, std::string_view what) : path_(std::move(path)), what_(what) {
    if (file_size(path_, what_) == 0) fail(what_, ": ", path_.string(), " is empty; ", download_again);
    file_.reset(gzopen(path_.c_str(), "rb"));
    if (!file_) fail(what_, ": ", path_.string(), " cannot be opened for reading: ", std::strerror(errno));
    gzbuffer(file_.get(), 1 << 18);
  }

  /// Appends up to `count` bytes to `bytes`, fewer at the end of the file; returns how many. Memory grows
  /// with what the file really holds, never with what a header claims. Throws Error where packed data is cut
  /// off or altered.
  std::uintmax_t append(std::vector<std::uint8_t>& bytes, std::uintmax_t count) {
    constexpr std::uintmax_t chunk = 1 << 20;
    std::uintmax_t done = 0;
    while (done < count) {
      const auto want = static_cast<std::size_t>(std::min(chunk, count - done));
      const std::size_t before = bytes.size();
      bytes.resize(before + want);
      const int got = gzread(file_.get(), bytes.data() + before, static_cast<unsigned>(want));
      bytes.resize(before + static_cast<std::size_t>(std::max(got, 0)));
      int status = Z_OK;
      const char* reason = gzerror(file_.get(), &status);
      if (got < 0 || (status != Z_OK && status != Z_STREAM_END))
        fail(what_, ": ", path_.string(), " breaks off after ", grouped(bytes.size()), " unpacked bytes (",
             reason, "); ", download_again);
      done += static_cast<std::uintmax_t>(got);
      if (static_cast<std::size_t>(got) < want) break;
    }
    return done;
  }

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  struct Close {
    void operator()(gzFile file) const noexcept { gzclose(file); }
  };
  std::filesystem::path path_;
  std::string what_;
  std::unique_ptr<gzFile_s, Close> file_;
};

}  // namespace sdepth::inline SDEPTH_ISA
