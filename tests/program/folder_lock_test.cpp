// One process trains in a folder at a time, and none is kept from it by one that has ended.
#include <filesystem>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <sdepth/core/error.hpp>
#include <sdepth/program/folder_lock.hpp>

#include "../io/scratch_folder.hpp"

namespace sdepth::test::folder_lock_test {

using program::FolderLock;

TEST_CASE("a folder that somebody trains in is refused in a sentence, and free when that has ended") {
  const ScratchFolder folder;
  {
    FolderLock first(folder.path());
    std::string said;
    try {
      const FolderLock second(folder.path());
    } catch (const Error& error) {
      said = error.what();
    }
    CHECK(said.find("another process is training in this folder") != std::string::npos);
    CHECK(said.starts_with(folder.path().string()));
    const FolderLock moved = std::move(first);  // is the same lock
    CHECK_THROWS_AS(FolderLock(folder.path()), Error);
  }
  CHECK_FALSE(std::filesystem::exists(folder / ".lock"));
  CHECK_NOTHROW(FolderLock(folder.path()));
}

TEST_CASE("a folder that cannot be written to is not locked, and nobody is refused for it") {
  CHECK_NOTHROW(FolderLock("/nowhere at all"));
}

}  // namespace sdepth::test::folder_lock_test
