// For tests of readers: a directory of their own, files written byte by byte, and what an error says.
#pragma once

#include <unistd.h>
#include <zlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <sdepth/core/error.hpp>

namespace sdepth::test {

using Bytes = std::vector<std::uint8_t>;

/// A fresh directory, removed at the end of the test.
class Scratch {
 public:
  Scratch() {
    static int count = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("sdepth-data-" + std::to_string(getpid()) + "-" + std::to_string(count++));
    std::filesystem::create_directories(path_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { std::filesystem::remove_all(path_); }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  std::filesystem::path write(const std::filesystem::path& name, const Bytes& bytes) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return path_ / name;
  }
  std::filesystem::path write_gz(const std::filesystem::path& name, const Bytes& bytes) const {
    gzFile file = gzopen((path_ / name).c_str(), "wb");
    gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
    gzclose(file);
    return path_ / name;
  }
  /// A file of zeros that takes no space on the disk.
  std::filesystem::path write_zeros(const std::filesystem::path& name, std::uintmax_t size) const {
    write(name, {});
    std::filesystem::resize_file(path_ / name, size);
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

[[nodiscard]] inline Bytes read_all(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// What the Error says that `action` throws; "no error" where it throws none.
template <class Action>
[[nodiscard]] std::string error_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

/// Whether a sentence has all of these parts.
template <class... Parts>
[[nodiscard]] bool says(const std::string& sentence, const Parts&... parts) {
  return ((sentence.find(std::string_view(parts)) != std::string::npos) && ...);
}

}  // namespace sdepth::test
