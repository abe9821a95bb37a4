// A list of pictures as a data set: CSV lines `path,label`, with paths from where the file lies.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/core/exactly.hpp>
#include <sdepth/core/utf8.hpp>
#include <sdepth/pictures/folder.hpp>
#include <sdepth/pictures/picture_set.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// The fields of one line of CSV (RFC 4180); a quoted field may hold commas and "" for a quote, no line end.
[[nodiscard]] inline std::vector<std::string> csv_fields(std::string_view line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"' && (quoted || fields.back().empty())) {
      if (quoted && i + 1 < line.size() && line[i + 1] == '"')
        fields.back() += line[i++];
      else
        quoted = !quoted;
    } else if (line[i] == ',' && !quoted) {
      fields.emplace_back();
    } else {
      fields.back() += line[i];
    }
  }
  return fields;
}

/// A line of a list.
struct ListedPicture {
  std::filesystem::path path;
  std::string label;
  int line = 0;
};

/// The lines of a list, without its first one where that names the columns. Throws Error with the line that
/// has not two fields.
[[nodiscard]] inline std::vector<ListedPicture> read_list(const std::filesystem::path& csv) {
  std::vector<std::uint8_t> bytes;
  read_picture_file(csv, bytes, largest_picture_file);
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::vector<ListedPicture> pictures;
  for (int line = 1; !text.empty(); ++line) {
    std::string_view row = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(row.size() + 1, text.size()));
    if (row.ends_with('\r')) row.remove_suffix(1);
    if (row.empty()) continue;
    const std::vector<std::string> fields = csv_fields(row);
    if (fields.size() != 2 || fields[0].empty() || fields[1].empty())
      fail(shown(csv), ", line ", line, ": expected a path, a comma and a label, found ",
           shown_as_utf8(row.substr(0, 80)));
    if (line == 1 && fields[1] == "label") continue;
    if (!is_utf8(fields[1]))
      fail(shown(csv), ", line ", line,
           ": a label must be UTF-8, since models and reports name it; save the list as UTF-8");
    pictures.push_back({csv.parent_path() / fields[0], fields[1], line});
  }
  if (pictures.empty()) fail(shown(csv), " lists no pictures, expected lines of a path, a comma and a label");
  return pictures;
}

/// The classes of a list, sorted: as numbers where all labels are whole numbers, else as text.
[[nodiscard]] inline std::vector<std::string> class_names_of(const std::vector<ListedPicture>& pictures) {
  std::vector<std::string> names;
  for (const ListedPicture& picture : pictures) names.push_back(picture.label);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  const auto number = [](const std::string& name) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), value);
    return error == std::errc() && end == name.data() + name.size() ? std::pair(true, value)
                                                                    : std::pair(false, std::uint64_t{0});
  };
  if (std::all_of(names.begin(), names.end(), [&](const std::string& name) { return number(name).first; }))
    std::sort(names.begin(), names.end(), [&](const std::string& a, const std::string& b) {
      const std::uint64_t x = number(a).second, y = number(b).second;
      return x < y || (x == y && a < b);  // 1 and 01
    });
  return names;
}

/// The set of a list. @param classes  what labels there may be
[[nodiscard]] inline PictureSet set_of_list(const std::filesystem::path& csv,
                                            const std::vector<ListedPicture>& pictures,
                                            const std::vector<std::string>& classes,
                                            const PictureLimits& limits) {
  PictureSet set{shown(csv), classes, {}, limits};
  std::vector<std::pair<std::string_view, int>> sorted;
  for (std::size_t c = 0; c < classes.size(); ++c) sorted.emplace_back(classes[c], static_cast<int>(c));
  std::sort(sorted.begin(), sorted.end());
  for (const ListedPicture& picture : pictures) {
    const auto found =
        std::lower_bound(sorted.begin(), sorted.end(), std::pair(std::string_view(picture.label), 0));
    if (found == sorted.end() || found->first != picture.label)
      fail(shown(csv), ", line ", picture.line, ": the class ", picture.label,
           " is tested but no picture of it is trained on; add it to the training list, or remove it here");
    set.files.push_back({picture.path, found->second});
  }
  return set;
}

/// Reads a training list, and a test list where `test` is not empty; else test_split of the training list
/// becomes the test part. Looks at the beginning of every file. Throws Error with what is wrong and where.
[[nodiscard]] inline PictureData read_picture_lists(const std::filesystem::path& train,
                                                    const std::filesystem::path& test,
                                                    const PictureOptions& options = {}) {
  PictureData data;
  std::vector<std::string>* const left_out = options.skip_broken ? &data.left_out : nullptr;
  const auto pictures = read_list(train);
  if (test.empty() && exactly(options.test_split, 0))
    fail(
        shown(train),
        " has no list of test pictures; say which part of the pictures is for the test, such as --test-split 0.2");
  const auto classes = class_names_of(pictures);
  if (classes.size() < 2) fail(shown(train), " has the one class ", classes[0], ", expected two or more");
  data.train = set_of_list(train, pictures, classes, options.limits);
  check_pictures(data.train, options.threads, left_out);
  if (test.empty()) {
    data.test = data.train.split_off(options.test_split, options.seed, train.parent_path());
  } else {
    data.test = set_of_list(test, read_list(test), classes, options.limits);
    check_pictures(data.test, options.threads, left_out);
  }
  return data;
}

/// Pictures of one's own, whatever there is: a file x.csv, a directory with train.csv (and test.csv), or a
/// directory of classes. Throws Error as read_picture_lists and read_picture_folder do.
[[nodiscard]] inline PictureData read_pictures(const std::filesystem::path& place,
                                               const PictureOptions& options = {}) {
  std::error_code ignored;
  if (ends_as(place, {".csv"}) && !is_folder(place)) return read_picture_lists(place, {}, options);
  if (std::filesystem::exists(place / "train.csv", ignored)) {
    const auto test = place / "test.csv";
    return read_picture_lists(place / "train.csv",
                              std::filesystem::exists(test, ignored) ? test : std::filesystem::path(),
                              options);
  }
  return read_picture_folder(place, options);
}

}  // namespace sdepth::inline SDEPTH_ISA
