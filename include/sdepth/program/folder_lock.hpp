// One process at a time in the folder of a run: two would make a mixture of its tables and its checkpoint.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include <sdepth/core/error.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// Holds a folder for as long as it lives. The lock is the system's (flock), so it ends with the process,
/// however that ends; the file .lock that carries it is removed at the end, and one that a kill left behind
/// is taken over.
class FolderLock {
 public:
  FolderLock() = default;
  /// Throws Error where another process holds the folder. Where there can be no lock, on a file system
  /// without them or in a folder that may not be written, there is none: whether the run can go on there is
  /// not decided here.
  explicit FolderLock(const std::filesystem::path& folder) : file_(folder / ".lock") {
    while (true) {
      descriptor_ = ::open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
      if (descriptor_ < 0) descriptor_ = ::open(file_.c_str(), O_RDONLY | O_CLOEXEC);  // of another user
      if (descriptor_ < 0) return;
      if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
        const bool held = errno == EWOULDBLOCK;
        ::close(std::exchange(descriptor_, -1));
        if (held)
          fail(
              folder.string(),
              ": another process is training in this folder; wait for its end, or choose another folder by --out");
        ::unlink(file_.c_str());
        return;
      }
      // Had the one who held it removed the file meanwhile, this would be a lock that nobody else sees.
      struct stat mine{}, there{};
      if (::fstat(descriptor_, &mine) == 0 && ::stat(file_.c_str(), &there) == 0 &&
          mine.st_ino == there.st_ino && mine.st_dev == there.st_dev)
        return;
      ::close(std::exchange(descriptor_, -1));
    }
  }
  FolderLock(FolderLock&& other) noexcept
      : file_(std::move(other.file_)), descriptor_(std::exchange(other.descriptor_, -1)) {}
  FolderLock& operator=(FolderLock&& other) noexcept {
    std::swap(file_, other.file_);
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock() {
    if (descriptor_ < 0) return;
    ::unlink(file_.c_str());  // before the lock ends, so that nobody else's is removed
    ::close(descriptor_);
  }

 private:
  std::filesystem::path file_;
  int descriptor_ = -1;
};

}  // namespace sdepth::inline SDEPTH_ISA::program
