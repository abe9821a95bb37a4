// Folders and lists of pictures as data sets: which pictures, in which classes, on which side; and what is
// wrong with them, in a sentence.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <sdepth/data/loader.hpp>
#include <sdepth/pictures/list.hpp>

#include "encode.hpp"

namespace sdepth::test::picture_set_test {

namespace {

Bytes small_png(int seed) { return png_of(smooth_picture(4, 5, 3, seed), 4, 5); }

/// Writes `count` pictures DIRECTORY/0.png, 1.png, … that all differ.
void fill(const Scratch& scratch, const std::string& directory, int count) {
  for (int i = 0; i < count; ++i) scratch.write(directory + "/" + std::to_string(i) + ".png", small_png(i));
}
void write_text(const Scratch& scratch, const std::string& name, const std::string& text) {
  scratch.write(name, Bytes(text.begin(), text.end()));
}
std::vector<std::string> paths_of(const PictureSet& set, const std::filesystem::path& root) {
  std::vector<std::string> paths;
  for (const PictureFile& file : set.files)
    paths.push_back(file.path.lexically_relative(root).string() + " " +
                    set.class_names[static_cast<std::size_t>(file.label)]);
  return paths;
}
using Strings = std::vector<std::string>;

}  // namespace

TEST_CASE(
    "folders train and test have a folder for each class, sorted by name; other files and hidden ones do not matter") {
  const Scratch scratch;
  for (const char* name : {"train/dog/b.PNG", "train/dog/a.png", "train/dog/more/c.png", "train/cat/x.png",
                           "test/dog/y.png", "train/cat/caf\xE9.png"})
    scratch.write(name, small_png(1));
  scratch.write("train/cat/z.jpeg", jpeg_of(smooth_picture(4, 5, 3), 4, 5));
  for (const char* name :
       {"train/.git/a.png", "train/cat/.hidden.png", "train/cat/notes.txt", "train/readme.md"})
    write_text(scratch, name, "no picture");
  const PictureData data = read_pictures(scratch.path());
  CHECK(data.train.class_names == Strings{"cat", "dog"});
  CHECK(data.test.class_names == Strings{"cat", "dog"});
  CHECK(paths_of(data.train, scratch.path() / "train") == Strings{"cat/caf\xE9.png cat", "cat/x.png cat",
                                                                  "cat/z.jpeg cat", "dog/a.png dog",
                                                                  "dog/b.PNG dog", "dog/more/c.png dog"});
  CHECK(paths_of(data.test, scratch.path() / "test") == Strings{"dog/y.png dog"});
  Picture picture;
  data.train.read(3, picture);
  CHECK(picture.shape == Shape{3, 4, 5});
  CHECK(picture.label == 1);
}

TEST_CASE(
    "a part is split off by seed and path: it stays when pictures come, and is another one for another seed") {
  const Scratch scratch;
  for (const char* name : {"a", "b"}) fill(scratch, name, 60);
  const PictureOptions options{.test_split = 0.25, .seed = 7};
  const PictureData data = read_pictures(scratch.path(), options);
  CHECK(data.train.size() + data.test.size() == 120);
  CHECK(data.test.size() > 15);
  CHECK(data.test.size() < 45);
  const Strings before = paths_of(data.test, scratch.path());
  CHECK(paths_of(read_pictures(scratch.path(), {.test_split = 0.25, .seed = 8}).test, scratch.path()) !=
        before);
  fill(scratch, "b", 90);
  fill(scratch, "c", 5);
  const Strings after = paths_of(read_pictures(scratch.path() / "", options).test, scratch.path());
  const std::set<std::string> now(after.begin(), after.end());
  CHECK(
      std::all_of(before.begin(), before.end(), [&](const std::string& path) { return now.contains(path); }));
  PictureSet some = data.train;
  some.limit(10, 1);
  CHECK(some.size() == 10);
  CHECK(std::any_of(some.files.begin(), some.files.end(), [](const PictureFile& f) { return f.label == 0; }));
  CHECK(std::any_of(some.files.begin(), some.files.end(), [](const PictureFile& f) { return f.label == 1; }));
  some.limit(11, 1);
  CHECK(some.size() == 10);
}

TEST_CASE("what is wrong with a folder is one sentence") {
  const Scratch scratch;
  const auto error = [&](const PictureOptions& options = {}) {
    return error_of([&] { (void)read_pictures(scratch.path(), options); });
  };
  CHECK(says(error_of([&] { (void)read_pictures(scratch.path() / "none"); }), "none is not a directory"));
  CHECK(says(error(), "has no folders train and test", "--test-split"));
  CHECK(says(error({.test_split = 0.2}), "has no folders with pictures"));
  fill(scratch, "train/cat", 3);
  fill(scratch, "test/cat", 1);
  CHECK(says(error(), "train has the one class cat", "two or more"));
  std::filesystem::create_directories(scratch.path() / "train/dog");
  CHECK(says(error(), "train/dog: the class dog has no picture"));
  fill(scratch, "train/dog", 3);
  fill(scratch, "test/horse", 1);
  CHECK(says(error(), "test/horse: the class horse is tested but no picture of it is trained on"));
  std::filesystem::remove_all(scratch.path() / "test/horse");
  CHECK(error() == "no error");
  fill(scratch, "train/caf\xE9", 1);
  CHECK(says(error(), "train/caf\xEF\xBF\xBD: the name of a class must be UTF-8"));
  std::filesystem::remove_all(scratch.path() / "train/caf\xE9");

  std::filesystem::remove_all(scratch.path() / "test");
  CHECK(says(error({.test_split = 0.999}), "keeps no picture to train on"));
  CHECK(says(error({.test_split = 1e-9}), "is none"));
  CHECK(says(error({.test_split = 1.5}), "1.5", "less than 1"));
}

TEST_CASE("places to classify are files, or folders with pictures at any depth") {
  const Scratch scratch;
  fill(scratch, "in/b", 1);
  fill(scratch, "in/a/c", 2);
  write_text(scratch, "in/note.txt", "no picture");
  write_text(scratch, "odd.name", "read as it is");
  const auto in = scratch.path() / "in";
  CHECK(picture_files({scratch.path() / "odd.name", in}) ==
        std::vector<std::filesystem::path>{scratch.path() / "odd.name", in / "a/c/0.png", in / "a/c/1.png",
                                           in / "b/0.png"});
  std::filesystem::create_directories(scratch.path() / "empty");
  CHECK(says(error_of([&] { (void)picture_files({scratch.path() / "empty"}); }), "empty has no picture"));
  CHECK(says(error_of([&] { (void)picture_files({scratch.path() / "none"}); }), "none is missing"));
}

TEST_CASE(
    "broken pictures are found before training, or left out and said; those cut off further behind while it runs") {
  const Scratch scratch;
  fill(scratch, "train/a", 4);
  fill(scratch, "train/b", 4);
  fill(scratch, "test/a", 1);
  scratch.write("train/a/empty.png", {});
  write_text(scratch, "train/b/page.jpg", "<html>");
  write_text(scratch, "train/b/moving.gif", "GIF89a");
  const auto error = [&](const PictureOptions& options = {}) {
    return error_of([&] { (void)read_pictures(scratch.path(), options); });
  };
  CHECK(says(error(), "moving.gif is no PNG or JPEG", "or leave broken pictures out"));
  std::filesystem::remove(scratch.path() / "train/b/moving.gif");
  CHECK(says(error({.threads = 3}), "empty.png is empty", "or leave broken pictures out (1 more"));
  write_text(scratch, "train/b/moving.gif", "GIF89a");
  const PictureData data = read_pictures(scratch.path(), {.skip_broken = true, .threads = 2});
  CHECK(data.train.size() == 8);
  REQUIRE(data.left_out.size() == 3);
  CHECK(says(data.left_out[2], "page.jpg is no picture that is known here"));

  Bytes cut = jpeg_of(smooth_picture(40, 50, 3), 40, 50);
  cut.resize(cut.size() / 2);
  scratch.write("train/a/cut.jpg", cut);
  const PictureData later = read_pictures(scratch.path(), {.skip_broken = true});
  CHECK(later.train.size() == 9);
  const Transforms transforms = Compose{ResizeAndCrop{4, 4, 4}, Normalize{}};
  Loader strict(later.train, transforms, {3, 4, 4}, {.batch = 9});
  strict.start(0);
  CHECK(says(error_of([&] { (void)strict.next(); }), "train/a/cut.jpg is cut off or damaged"));
  Loader lenient(later.train, transforms, {3, 4, 4}, {.batch = 9, .threads = 2, .skip_broken = true});
  lenient.start(0);
  CHECK(lenient.next()->size == 8);
  CHECK(lenient.broken().size() == 1);

  std::filesystem::remove_all(scratch.path() / "test/a");
  write_text(scratch, "test/a/x.png", "nothing");
  CHECK(says(error_of([&] { (void)read_pictures(scratch.path(), {.skip_broken = true}); }),
             "all 1 pictures are broken", "x.png is no picture"));
}

TEST_CASE("more than 256 classes, and batches of a folder that do not depend on threads") {
  const Scratch scratch;
  for (int c = 0; c < 300; ++c) {
    const std::string name = std::to_string(1000 + c);
    scratch.write("train/" + name + "/0.png", small_png(c));
    scratch.write("test/" + name + "/0.png", small_png(c));
  }
  const PictureData data = read_pictures(scratch.path());
  CHECK(data.train.classes() == 300);
  const Transforms transforms =
      Compose{RandomResizedCrop{3, 3}, HorizontalFlip{}, Normalize{Normalization::imagenet()}};
  Loader one(data.train, transforms, {3, 3, 3}, {.batch = 64, .seed = 1}),
      four(data.train, transforms, {3, 3, 3}, {.batch = 64, .seed = 1, .threads = 4});
  one.start(0), four.start(0);
  int largest = 0;
  while (const Batch* expected = one.next()) {
    const Batch* batch = four.next();
    REQUIRE(batch != nullptr);
    CHECK(batch->images == expected->images);
    CHECK(batch->labels == expected->labels);
    largest = std::max(largest, *std::max_element(batch->labels.begin(), batch->labels.end()));
  }
  CHECK(largest == 299);
}

TEST_CASE(
    "a list of paths and labels: numbers in their order, quotes, any line ends, and a first line that names the columns or not") {
  const Scratch scratch;
  fill(scratch, "p", 4);
  scratch.write("p/with, comma.png", small_png(9));
  write_text(scratch, "train.csv",
             "\xEF\xBB\xBFpath,label\r\np/0.png,10\r\np/1.png,9\r\n\"p/with, comma.png\",100\r\n\r\n");
  write_text(scratch, "test.csv", "p/2.png,9\np/3.png,\"100\"");
  const PictureData data = read_pictures(scratch.path());
  CHECK(data.train.class_names == Strings{"9", "10", "100"});
  CHECK(paths_of(data.train, scratch.path()) == Strings{"p/0.png 10", "p/1.png 9", "p/with, comma.png 100"});
  CHECK(paths_of(data.test, scratch.path()) == Strings{"p/2.png 9", "p/3.png 100"});
  write_text(scratch, "words.csv",
             "p/0.png,zebra\np/1.png,ape\np/2.png,\"a \"\"quoted\"\" one\"\n" +
                 (scratch.path() / "p/3.png").string() + ",ape\n");
  const auto words = read_list(scratch.path() / "words.csv");
  CHECK(class_names_of(words) == Strings{"a \"quoted\" one", "ape", "zebra"});
  CHECK(words[3].path == scratch.path() / "p/3.png");
}

TEST_CASE("a part of a list without test pictures is split off by the path, as of folders") {
  const Scratch scratch;
  fill(scratch, "p", 8);
  std::string rows;
  for (int i = 0; i < 8; ++i) rows += "p/" + std::to_string(i) + ".png," + (i % 2 ? "odd\n" : "even\n");
  write_text(scratch, "train.csv", rows);
  const auto split = [&](std::uint64_t seed) {
    return read_pictures(scratch.path(), {.test_split = 0.5, .seed = seed});
  };
  const PictureData data = split(1);
  CHECK(data.test.size() > 0);
  CHECK(data.train.size() + data.test.size() == 8);
  Strings all = paths_of(data.train, scratch.path());
  for (const std::string& path : paths_of(data.test, scratch.path())) all.push_back(path);
  CHECK(std::set<std::string>(all.begin(), all.end()).size() == 8);
  CHECK(paths_of(split(1).test, scratch.path()) == paths_of(data.test, scratch.path()));
  CHECK((paths_of(split(2).test, scratch.path()) != paths_of(data.test, scratch.path()) ||
         paths_of(split(3).test, scratch.path()) != paths_of(data.test, scratch.path())));
}

TEST_CASE("what is wrong with a list is one sentence with its line") {
  const Scratch scratch;
  fill(scratch, "p", 2);
  const auto error = [&](const std::string& train, const std::string& test = "p/0.png,a\n") {
    write_text(scratch, "train.csv", train);
    write_text(scratch, "test.csv", test);
    return error_of([&] { (void)read_pictures(scratch.path()); });
  };
  CHECK(error("p/0.png,a\np/1.png,b\n") == "no error");
  CHECK(says(error("p/0.png,a\np/1.png\n"),
             "train.csv, line 2: expected a path, a comma and a label, found p/1.png"));
  CHECK(says(error("p/0.png,a\np/1.png,b,c\n"), "line 2"));
  CHECK(says(error("p/0.png,\n"), "line 1"));
  CHECK(says(error("path,label\n"), "lists no pictures"));
  CHECK(says(error(""), "lists no pictures"));
  CHECK(says(error("p/0.png,a\np/1.png,a\n"), "train.csv has the one class a"));
  CHECK(says(error("p/0.png,a\np/7.png,b\n"), "p/7.png is missing"));
  CHECK(says(error("p/0.png,a\np/1.png,caf\xE9\n"), "line 2: a label must be UTF-8"));
  CHECK(says(error("p/0.png,a\np/1.png,b\n", "p/0.png,c\n"),
             "test.csv, line 1: the class c is tested but no picture of it is trained on"));
  CHECK(says(error_of([&] { (void)read_pictures(scratch.path() / "train.csv"); }),
             "train.csv has no list of test pictures", "--test-split"));
  CHECK(says(error_of([&] { (void)read_pictures(scratch.path() / "none.csv"); }), "none.csv is missing"));
}

}  // namespace sdepth::test::picture_set_test
