// A folder of pictures as a data set: DIR/train/CLASS/* and DIR/test/CLASS/*, or DIR/CLASS/* of which a part
// is split off for the test.
#pragma once

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/core/exactly.hpp>
#include <sdepth/core/utf8.hpp>
#include <sdepth/pictures/picture_set.hpp>

namespace sdepth::inline SDEPTH_ISA {

struct PictureOptions {
  double test_split = 0;     ///< of a set without a test part: the part of the pictures that becomes one
  std::uint64_t seed = 0;    ///< of that split
  bool skip_broken = false;  ///< pictures that cannot be read are left out, and said; else they are errors
  int threads = 1;           ///< that look at the files before training
  PictureLimits limits{};
};

/// Whether a file's name ends as pictures' names do: of those that can be read here, or of others.
[[nodiscard]] inline bool ends_as(const std::filesystem::path& path,
                                  std::initializer_list<std::string_view> suffixes) {
  std::string suffix = path.extension().string();
  std::transform(suffix.begin(), suffix.end(), suffix.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::find(suffixes.begin(), suffixes.end(), suffix) != suffixes.end();
}
[[nodiscard]] inline bool is_picture_name(const std::filesystem::path& path) {
  return ends_as(path, {".png", ".jpg", ".jpeg", ".jpe", ".jfif"});
}
[[nodiscard]] inline bool is_other_picture_name(const std::filesystem::path& path) {
  return ends_as(path, {".gif", ".bmp", ".webp", ".tif", ".tiff", ".avif", ".heic", ".jp2", ".ppm", ".pgm"});
}

/// What lies in a directory, sorted by the bytes of the names; nothing that begins with a point. Throws Error
/// where it cannot be read.
[[nodiscard]] inline std::vector<std::filesystem::path> entries_of(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> entries;
  std::error_code error;
  std::filesystem::directory_iterator at(directory, error);
  for (; !error && at != std::filesystem::directory_iterator(); at.increment(error))
    if (!at->path().filename().string().starts_with('.')) entries.push_back(at->path());
  if (error)
    fail(shown(directory), " cannot be read: ", error.message(), "; check the path and its permissions");
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.native() < b.native(); });
  return entries;
}
[[nodiscard]] inline bool is_folder(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

/// Appends the pictures below a class's directory. Throws Error for pictures of formats that cannot be read,
/// unless they may be left out.
inline void append_class(PictureSet& set, const std::filesystem::path& directory, int label,
                         std::vector<std::string>* left_out) {
  for (const auto& path : entries_of(directory)) {
    std::error_code ignored;
    if (is_folder(path)) {
      // which could lead round in a circle
      if (!std::filesystem::is_symlink(path, ignored)) append_class(set, path, label, left_out);
    } else if (is_picture_name(path)) {
      set.files.push_back({path, label});
    } else if (is_other_picture_name(path)) {
      const std::string sentence =
          shown(path) + " is no PNG or JPEG, which alone are read; convert or remove the file";
      if (!left_out) fail(sentence, ", or leave broken pictures out");
      left_out->push_back(sentence);
    }
  }
}

/// The pictures of DIR/CLASS/*, also in folders below. @param known  the classes that there may be; empty:
/// the folders' names are the classes Throws Error where there are no folders of classes, or one without
/// pictures, or, where classes are known, of another class.
[[nodiscard]] inline PictureSet read_classes(const std::filesystem::path& directory,
                                             const PictureLimits& limits,
                                             const std::vector<std::string>& known,
                                             std::vector<std::string>* left_out) {
  PictureSet set{shown(directory), known, {}, limits};
  for (const auto& path : entries_of(directory)) {
    if (!is_folder(path)) continue;
    const std::string name = path.filename().string();
    if (!is_utf8(name))
      fail(shown(path),
           ": the name of a class must be UTF-8, since models and reports name it; rename the folder");
    auto found = std::find(set.class_names.begin(), set.class_names.end(), name);
    if (found == set.class_names.end()) {
      if (!known.empty())
        fail(shown(path), ": the class ", name,
             " is tested but no picture of it is trained on; add it to the training part, or remove it here");
      found = set.class_names.insert(found, name);
    }
    const std::size_t before = set.files.size();
    append_class(set, path, static_cast<int>(found - set.class_names.begin()), left_out);
    if (set.files.size() == before)
      fail(shown(path), ": the class ", name,
           " has no picture that ends in .png or .jpg; add some, or remove the folder");
  }
  if (set.files.empty())
    fail(shown(directory), " has no folders with pictures, expected one for each class; check the path");
  if (set.class_names.size() < 2)
    fail(shown(directory), " has the one class ", set.class_names[0],
         ", expected a folder for each of two or more");
  return set;
}

/// The pictures that places name: files as they are, and of folders all pictures below, sorted. Throws Error
/// for a place that is not there, or a folder without pictures.
[[nodiscard]] inline std::vector<std::filesystem::path> picture_files(
    const std::vector<std::filesystem::path>& places) {
  std::vector<std::filesystem::path> files;
  for (const auto& place : places) {
    std::error_code ignored;
    if (!std::filesystem::exists(place, ignored)) fail(shown(place), " is missing; check the path");
    if (!is_folder(place)) {
      files.push_back(place);
      continue;
    }
    PictureSet inside;
    std::vector<std::string> left_out;
    append_class(inside, place, 0, &left_out);
    if (inside.files.empty()) fail(shown(place), " has no picture that ends in .png or .jpg; check the path");
    for (PictureFile& file : inside.files) files.push_back(std::move(file.path));
  }
  return files;
}

/// Reads DIR/train/CLASS/* and DIR/test/CLASS/* (or val for test); or, where there is no such part,
/// DIR/train/CLASS/* or DIR/CLASS/*, of which test_split becomes the test part. Classes are sorted by name.
/// Looks at the beginning of every file. Throws Error with what is wrong and where.
[[nodiscard]] inline PictureData read_picture_folder(const std::filesystem::path& directory,
                                                     const PictureOptions& options = {}) {
  if (!is_folder(directory)) fail(shown(directory), " is not a directory; check the path");
  PictureData data;
  std::vector<std::string>* const left_out = options.skip_broken ? &data.left_out : nullptr;
  const bool has_train = is_folder(directory / "train");
  const auto root = has_train ? directory / "train" : directory;
  const auto test = is_folder(directory / "test") ? directory / "test" : directory / "val";
  const bool has_test = has_train && is_folder(test);
  if (!has_test && exactly(options.test_split, 0))
    fail(
        shown(directory),
        " has no folders train and test; make them, or say which part of the pictures is for the test, such as --test-split 0.2");
  data.train = read_classes(root, options.limits, {}, left_out);
  check_pictures(data.train, options.threads, left_out);
  if (has_test) {
    data.test = read_classes(test, options.limits, data.train.class_names, left_out);
    check_pictures(data.test, options.threads, left_out);
  } else {
    data.test = data.train.split_off(options.test_split, options.seed, root);
  }
  return data;
}

}  // namespace sdepth::inline SDEPTH_ISA
