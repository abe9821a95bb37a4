// Whole files in and out. Everything a run leaves behind is written through here, so that a full disk, a kill
// or a power cut costs at most the newest version: the one before it stands until the new one is complete and
// on the disk.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <climits>
#include <concepts>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <sdepth/core/error.hpp>
#include <sdepth/io/text.hpp>

namespace sdepth::inline SDEPTH_ISA {

static_assert(std::endian::native == std::endian::little,
              "sdepth writes its files, all little-endian, straight from memory");

/// What the system says about an error code (errno), and what a person can do about it.
[[nodiscard]] inline std::string reason_and_advice(int code) {
  const std::string reason = std::generic_category().message(code);
  switch (code) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return reason + "; free some space or write to another disk";
    case ENOENT:
    case ENOTDIR:
      return reason + "; check the spelling of the path and that its directory exists";
    case ENAMETOOLONG:
      return reason + "; choose a shorter name";
    case ELOOP:
      return reason + "; the link leads back to itself, so remove it or choose another name";
    case EACCES:
    case EPERM:
    case EROFS:
      return reason + "; check the permissions of the file and of its directory";
    default:
      return reason;
  }
}

/// An open file that closes itself. Moves, does not copy. Its errors name the file by `shown`.
class OpenFile {
 public:
  OpenFile() = default;
  /// Opens `path` with the flags of open(2). Throws Error; `purpose` completes its sentence: "<file> cannot
  /// be <purpose>: <reason>".
  OpenFile(const std::filesystem::path& path, int flags, std::string shown, const char* purpose)
      : shown_(std::move(shown)) {
    do {
      descriptor_ = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
    } while (descriptor_ < 0 && errno == EINTR);
    if (descriptor_ < 0 && path.empty()) fail("a file cannot be ", purpose, " without a name; give one");
    if (descriptor_ < 0) fail(shown_, " cannot be ", purpose, ": ", reason_and_advice(errno));
  }
  OpenFile(OpenFile&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)), shown_(std::move(other.shown_)) {}
  OpenFile& operator=(OpenFile&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    std::swap(shown_, other.shown_);
    return *this;
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  /// Writes all of `bytes`.
  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) not_written(errno);
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
  }
  /// Returns once the disk has what was written. Pipes and terminals, which have no disk, are left alone.
  void sync() {
    if (::fsync(descriptor_) != 0 && errno != EINVAL && errno != ENOTSUP) not_written(errno);
  }
  /// Closes now, because some file systems report a full disk only then.
  void close() {
    if (::close(std::exchange(descriptor_, -1)) != 0 && errno != EINTR) not_written(errno);
  }
  /// Up to `count` bytes into `to`; 0 at the end of the file.
  [[nodiscard]] std::size_t read(char* to, std::size_t count) {
    while (true) {
      const ssize_t got = ::read(descriptor_, to, count);
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) fail(shown_, " cannot be read: ", reason_and_advice(errno));
    }
  }
  /// Gives the file the owner and the permissions of another, as far as the process and the file system can.
  void take_over(const struct stat& other) noexcept {
    if (::fchown(descriptor_, other.st_uid, other.st_gid) != 0) {
      // Only the superuser may give files away. Whose a file is matters less than that it is written.
    }
    ::fchmod(descriptor_, other.st_mode & 07777);  // behind fchown, which takes some permissions away
  }
  /// Bytes of a regular file; 0 for anything else.
  [[nodiscard]] std::size_t size() const {
    struct stat status{};
    if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) return 0;
    return static_cast<std::size_t>(status.st_size);
  }
  [[nodiscard]] bool is_open() const noexcept { return descriptor_ >= 0; }

 private:
  [[noreturn]] void not_written(int code) const {
    fail(shown_, " cannot be written: ", reason_and_advice(code));
  }

  int descriptor_ = -1;
  std::string shown_;
};

/// All bytes of a file. Throws Error where it cannot be read or has more than `most` bytes, which says that
/// it is some other file.
[[nodiscard]] inline std::string read_whole_file(const std::filesystem::path& path,
                                                 std::size_t most = std::size_t{4} << 30) {
  OpenFile file(path, O_RDONLY, path.string(), "read");
  const std::size_t size = file.size();
  const auto refuse = [&](std::size_t found) {
    fail(path.string(), " has ", with_commas(found), " bytes or more, at most ", with_commas(most),
         " are expected; is it the right file?");
  };
  if (size > most) refuse(size);
  // one more than expected, so that the read that finds the end has somewhere to put nothing
  std::string bytes(size + 1, '\0');
  std::size_t filled = 0;
  while (const std::size_t got = file.read(bytes.data() + filled, bytes.size() - filled)) {
    filled += got;
    if (filled > most) refuse(filled);
    if (filled == bytes.size()) bytes.resize(2 * filled);  // a pipe, or a file that is growing
  }
  bytes.resize(filled);
  return bytes;
}

/// The file that writing to `path` reaches: `path` itself or, where that is a symbolic link, what the link
/// leads to, there already or not.
/// @pre the links are no circle
[[nodiscard]] inline std::filesystem::path behind_links(std::filesystem::path path) {
  constexpr int most = 40;  // as many as Linux follows
  for (int links = 0; links < most; ++links) {
    std::error_code no_link;
    const std::filesystem::path target = std::filesystem::read_symlink(path, no_link);
    if (no_link) break;
    path = path.parent_path() / target;
  }
  return path;
}

/// Replaces the file `path` by what `fill(OpenFile&)` writes: into a file beside it of that name + ".partial"
/// first, then to the disk, then by renaming. Whatever fails, or is thrown by `fill`, leaves the old file as
/// it was and removes the partial one; only a kill leaves that behind, and the next call overwrites it. The
/// new file has the owner and the permissions of the old one. A symbolic link stays and what it leads to is
/// replaced. A path that is a pipe or a device is written to directly.
template <std::invocable<OpenFile&> Fill>
void write_file_atomically(const std::filesystem::path& path, Fill&& fill) {
  namespace fs = std::filesystem;
  if (path.empty()) fail("a file cannot be written without a name; give one");
  const std::string shown = path.string();
  const auto refuse = [&](int code) { fail(shown, " cannot be written: ", reason_and_advice(code)); };
  struct stat old{};
  const bool replaces = ::stat(path.c_str(), &old) == 0;
  if (!replaces && errno != ENOENT) refuse(errno);
  if (replaces && S_ISDIR(old.st_mode))
    fail(shown, " cannot be written: it is a directory; give the name of a file");
  if (replaces && !S_ISREG(old.st_mode)) {
    OpenFile device(path, O_WRONLY, shown, "written");
    fill(device);
    device.close();
    return;
  }
  const fs::path target = behind_links(path);
  // Renaming asks for the directory's permission alone; a file that was protected from writing is not to be
  // lost by that.
  if (replaces && ::faccessat(AT_FDCWD, target.c_str(), W_OK, AT_EACCESS) != 0) refuse(errno);

  struct Partial {
    fs::path name;
    bool remove = true;
    ~Partial() {
      if (remove) ::unlink(name.c_str());
    }
  };
  constexpr std::string_view ending = ".partial";
  // a longer name is cut for the partial file, where it fits the disk alone
  constexpr std::size_t longest = NAME_MAX - ending.size();
  fs::path name = target;
  name.replace_filename(target.filename().native().substr(0, longest) + std::string(ending));
  OpenFile file(name, O_WRONLY | O_CREAT | O_TRUNC, shown, "written");
  Partial partial{std::move(name)};
  if (replaces) file.take_over(old);
  fill(file);
  file.sync();
  file.close();
  if (std::rename(partial.name.c_str(), target.c_str()) != 0)
    fail(shown, " cannot be replaced: ", reason_and_advice(errno));
  partial.remove = false;

  // The new name must reach the disk too. A directory that may be written but not opened loses this, and
  // nothing else.
  const fs::path directory = target.has_parent_path() ? target.parent_path() : fs::path(".");
  if (::access(directory.c_str(), R_OK) == 0)
    OpenFile(directory, O_RDONLY | O_DIRECTORY, shown, "written").sync();
}

/// Replaces the file `path` by `bytes`, as above.
inline void write_file_atomically(const std::filesystem::path& path, std::string_view bytes) {
  write_file_atomically(path, [&](OpenFile& file) { file.write(bytes); });
}

}  // namespace sdepth::inline SDEPTH_ISA
