#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <limits>
#include <stdexcept>
#include <string>

#include <sdepth/io/file.hpp>
#include <sdepth/io/text.hpp>

#include "scratch_folder.hpp"

namespace sdepth::test::file_test {

namespace {
std::string system_calls;  // those below, in their order
}

// In the place of the C library's: what they are called for is done, and remembered.
extern "C" int fsync(int descriptor) {
  struct stat status{};
  if (fstat(descriptor, &status) == 0)
    system_calls += S_ISDIR(status.st_mode) ? "fsync of a folder, " : "fsync of a file, ";
  return static_cast<int>(syscall(SYS_fsync, descriptor));
}
extern "C" int rename(const char* from, const char* to) noexcept {
  system_calls += "rename, ";
  return static_cast<int>(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0U));
}

TEST_CASE("what is written is what is read, and no partial file stays") {
  const ScratchFolder folder;
  const std::string bytes = std::string("line\n\0\xFF", 7) + std::string(3'000'000, 'x');
  write_file_atomically(folder / "a", "older and longer than nothing");
  write_file_atomically(folder / "a", bytes);
  CHECK(read_whole_file(folder / "a") == bytes);
  CHECK(folder.entries() == 1);
  write_file_atomically(folder / "empty", "");
  CHECK(read_whole_file(folder / "empty").empty());
}

TEST_CASE("a file is on the disk before it takes its name, and its name before the call ends") {
  const ScratchFolder folder;
  write_file_atomically(folder / "a", "old");
  system_calls.clear();
  write_file_atomically(folder / "a", "new");
  CHECK(system_calls == "fsync of a file, rename, fsync of a folder, ");
}

TEST_CASE("a full disk leaves the old file, removes the partial one and says so in a sentence") {
  const ScratchFolder folder;
  put(folder / "a", "the old content");
  std::string sentence;
  {
    const FileSizeLimit limit(1000);
    sentence = sentence_of([&] { write_file_atomically(folder / "a", std::string(2000, 'x')); });
  }
  CHECK(contains(sentence, (folder / "a").string() + " cannot be written: File too large; free some space"));
  CHECK_FALSE(contains(sentence, ".partial"));
  CHECK(bytes_of(folder / "a") == "the old content");
  CHECK(folder.entries() == 1);
}

TEST_CASE("an exception of whoever fills the file leaves the old one") {
  const ScratchFolder folder;
  put(folder / "a", "the old content");
  const auto half = [](OpenFile& file) {
    file.write("half of the new");
    throw std::runtime_error("no more");
  };
  CHECK_THROWS_AS(write_file_atomically(folder / "a", half), std::runtime_error);
  CHECK(bytes_of(folder / "a") == "the old content");
  CHECK(folder.entries() == 1);
}

TEST_CASE("the partial file of a killed process is overwritten, not appended to") {
  const ScratchFolder folder;
  put(folder / "a.partial", "longer than what comes now");
  write_file_atomically(folder / "a", "new");
  CHECK(bytes_of(folder / "a") == "new");
  CHECK(folder.entries() == 1);
}

TEST_CASE("a directory that is missing, a file, or not writable is a sentence") {
  const ScratchFolder folder;
  put(folder / "file", "");
  CHECK(contains(sentence_of([&] { write_file_atomically(folder / "missing/a", "x"); }),
                 "check the spelling of the path"));
  CHECK(contains(sentence_of([&] { write_file_atomically(folder / "file/a", "x"); }), "Not a directory"));
  CHECK(contains(sentence_of([&] { write_file_atomically(folder.path(), "x"); }),
                 "it is a directory; give the name of a file"));

  put(folder / "a", "the old content");
  REQUIRE(chmod(folder.path().c_str(), 0555) == 0);
  const uid_t user = geteuid();
  if (user == 0) REQUIRE(seteuid(65534) == 0);  // root may write anywhere
  const std::string sentence = sentence_of([&] { write_file_atomically(folder / "a", "new"); });
  if (user == 0) REQUIRE(seteuid(0) == 0);
  REQUIRE(chmod(folder.path().c_str(), 0755) == 0);
  CHECK(contains(sentence, "Permission denied; check the permissions"));
  CHECK(bytes_of(folder / "a") == "the old content");
}

TEST_CASE("a symbolic link is written through: it stays, and what it leads to is replaced where that lies") {
  namespace fs = std::filesystem;
  const ScratchFolder folder;
  for (const char* name : {"disk", "run", "run/sub"}) fs::create_directory(folder / name);
  put(folder / "disk/a", "the old content");
  fs::create_symlink(folder / "disk/a", folder / "run/absolute");
  fs::create_symlink("../../disk/a", folder / "run/sub/relative");
  fs::create_symlink("sub/relative", folder / "run/twice");
  for (const char* name : {"run/absolute", "run/sub/relative", "run/twice"}) {
    write_file_atomically(folder / name, std::string("by ") + name);
    CHECK(fs::is_symlink(folder / name));
    CHECK(bytes_of(folder / "disk/a") == std::string("by ") + name);
  }
  fs::create_symlink("../disk/new", folder / "run/dangling");
  write_file_atomically(folder / "run/dangling", "made by its link");
  CHECK(fs::is_symlink(folder / "run/dangling"));
  CHECK(bytes_of(folder / "disk/new") == "made by its link");

  fs::create_symlink("nowhere/b", folder / "run/to-nowhere");
  CHECK(contains(sentence_of([&] { write_file_atomically(folder / "run/to-nowhere", "x"); }),
                 "run/to-nowhere cannot be written: No such file or directory"));
  fs::create_symlink("../disk", folder / "run/folder");
  CHECK(
      contains(sentence_of([&] { write_file_atomically(folder / "run/folder", "x"); }), "it is a directory"));
  fs::create_symlink("loop", folder / "run/loop");
  CHECK(contains(sentence_of([&] { write_file_atomically(folder / "run/loop", "x"); }),
                 "the link leads back to itself"));
  CHECK(fs::is_symlink(folder / "run/loop"));
  fs::create_symlink("/dev/null", folder / "run/device");
  write_file_atomically(folder / "run/device", "gone");
  CHECK(fs::is_symlink(folder / "run/device"));
  {
    const FileSizeLimit limit(100);
    CHECK(contains(sentence_of([&] { write_file_atomically(folder / "run/twice", std::string(200, 'x')); }),
                   "File too large"));
  }
  CHECK(bytes_of(folder / "disk/a") == "by run/twice");
  CHECK(std::distance(fs::directory_iterator(folder / "disk"), {}) == 2);  // nothing partial
}

TEST_CASE("a new version of a file has the permissions of the old one") {
  const ScratchFolder folder;
  const auto permissions = [&] {
    return static_cast<unsigned>(std::filesystem::status(folder / "a").permissions());
  };
  put(folder / "a", "the old content");
  for (const mode_t mode : {mode_t{0600}, mode_t{0664}, mode_t{0755}}) {
    REQUIRE(chmod((folder / "a").c_str(), mode) == 0);
    write_file_atomically(folder / "a", "the new");
    CHECK(permissions() == mode);
  }
}

TEST_CASE("a file that is protected from writing is not replaced, though its directory would allow it") {
  const ScratchFolder folder;
  put(folder / "a", "the old content");
  REQUIRE(chmod((folder / "a").c_str(), 0444) == 0);
  REQUIRE(chmod(folder.path().c_str(), 0777) == 0);
  const uid_t user = geteuid();
  if (user == 0) REQUIRE(seteuid(65534) == 0);  // root may write anywhere
  const std::string sentence = sentence_of([&] { write_file_atomically(folder / "a", "new"); });
  if (user == 0) REQUIRE(seteuid(0) == 0);
  CHECK(contains(sentence, "a cannot be written: Permission denied; check the permissions of the file"));
  CHECK(bytes_of(folder / "a") == "the old content");
  CHECK(folder.entries() == 1);
}

TEST_CASE("names may be as long as the disk allows, and longer ones are a sentence") {
  const ScratchFolder folder;
  for (const std::size_t length : {std::size_t{247}, std::size_t{248}, std::size_t{255}}) {
    const std::string name(length, 'n');
    write_file_atomically(folder / name, "x");
    CHECK(bytes_of(folder / name) == "x");
  }
  CHECK(folder.entries() == 3);
  CHECK(contains(sentence_of([&] { write_file_atomically(folder / std::string(256, 'n'), "x"); }),
                 "File name too long; choose a shorter name"));
  CHECK(contains(sentence_of([&] { write_file_atomically("", "x"); }), "without a name"));
  CHECK(folder.entries() == 3);
}

TEST_CASE("a path need not be UTF-8: it is written, read and named byte by byte") {
  const ScratchFolder folder;
  const auto path = folder / "caf\xE9";
  write_file_atomically(path, "x");
  CHECK(read_whole_file(path) == "x");
  CHECK(contains(sentence_of([&] { (void)read_whole_file(folder / "th\xE9"); }), "th\xE9 cannot be read"));
}

TEST_CASE("a device is written to, not replaced, and a full one is a sentence") {
  write_file_atomically("/dev/null", "gone");
  CHECK(std::filesystem::is_character_file("/dev/null"));
  CHECK(contains(sentence_of([] { write_file_atomically("/dev/full", "no room"); }),
                 "/dev/full cannot be written: No space left on device"));
}

TEST_CASE("a pipe is written to by any name that leads to it, as /dev/stdout does") {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const std::string name = "/proc/self/fd/" + std::to_string(ends[1]);
  if (std::filesystem::exists(name)) {
    write_file_atomically(name, "through the pipe");
    char text[16];
    REQUIRE(read(ends[0], text, sizeof text) == 16);
    CHECK(std::string(text, sizeof text) == "through the pipe");
  }
  close(ends[0]);
  close(ends[1]);
}

TEST_CASE("reading what is missing, a directory, or too large is a sentence") {
  const ScratchFolder folder;
  put(folder / "a", std::string(1001, 'x'));
  CHECK(contains(sentence_of([&] { (void)read_whole_file(folder / "missing"); }),
                 "missing cannot be read: No such file or directory; check"));
  CHECK(sentence_of([&] { (void)read_whole_file(""); }) == "a file cannot be read without a name; give one");
  CHECK(
      contains(sentence_of([&] { (void)read_whole_file(folder.path()); }), "cannot be read: Is a directory"));
  CHECK(contains(sentence_of([&] { (void)read_whole_file(folder / "a", 1000); }),
                 "has 1,001 bytes or more, at most 1,000 are expected"));
  // has no size to ask for beforehand
  CHECK(contains(sentence_of([&] { (void)read_whole_file("/dev/zero", 1000); }), "at most 1,000"));
  CHECK(read_whole_file(folder / "a", 1001).size() == 1001);
}

TEST_CASE("numbers and names are spelled the same everywhere") {
  CHECK(with_commas(0) == "0");
  CHECK(with_commas(999) == "999");
  CHECK(with_commas(1000) == "1,000");
  CHECK(with_commas(30729999) == "30,729,999");
  CHECK(decimal(0.1, 9) == "0.1");
  CHECK(decimal(2.302585092994046, 9) == "2.30258509");
  CHECK(std::stof(decimal(static_cast<double>(0.1F + 0.2F), 9)) == 0.1F + 0.2F);
  CHECK(decimal(-std::numeric_limits<double>::quiet_NaN(), 9) == "nan");
  CHECK(decimal(-std::numeric_limits<double>::infinity(), 9) == "-inf");
  CHECK(fixed_point(6.7449, 2) == "6.74");
  CHECK(decimal(0.5, 0) == "0.5");
  CHECK(std::stod(decimal(-1.0 / 3, 1000)) == -1.0 / 3);
  CHECK(fixed_point(-1e308, 1000).size() == 1 + 309 + 1 + 80);
  CHECK(fixed_point(6.5, -1) == fixed_point(6.5, 0));
  CHECK(in_quotes("a\nb") == "\"a?b\"");
  CHECK(in_quotes(std::string(100, 'x')) == "\"" + std::string(60, 'x') + "…\"");
}

}  // namespace sdepth::test::file_test
