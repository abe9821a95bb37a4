// Pictures in files, with a class each: they are decoded when they are read, so a set may be larger than
// memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sdepth/core/available_threads.hpp>
#include <sdepth/core/error.hpp>
#include <sdepth/core/fingerprint.hpp>
#include <sdepth/core/parallel.hpp>
#include <sdepth/core/philox.hpp>
#include <sdepth/data/picture.hpp>
#include <sdepth/pictures/decode.hpp>

namespace sdepth::inline SDEPTH_ISA {

struct PictureFile {
  std::filesystem::path path;
  int label = 0;
};

/// A DataSource of picture files.
struct PictureSet {
  std::string set_name;                  ///< for messages: "pictures/train"
  std::vector<std::string> class_names;  ///< UTF-8; label i is class_names[i]
  std::vector<PictureFile> files;        ///< in an order that does not depend on the disk
  PictureLimits limits{};

  [[nodiscard]] int size() const noexcept { return static_cast<int>(files.size()); }
  [[nodiscard]] int classes() const noexcept { return static_cast<int>(class_names.size()); }
  [[nodiscard]] const std::string& name() const noexcept { return set_name; }

  /// RGB, upright. Throws Error with the path where the file is no good picture.
  void read(int record, Picture& picture) const {
    thread_local std::vector<std::uint8_t> file;  // memory for one after the other
    const PictureFile& entry = files[static_cast<std::size_t>(record)];
    decode_picture_file(entry.path, file, picture, limits);
    picture.label = entry.label;
  }

  /// Moves about `fraction` of the files into a set of their own, each by a draw from (seed, path below
  /// `root`): a file stays on its side when others come or go. Throws Error where that leaves no picture on
  /// one side, or a class with none to train on.
  [[nodiscard]] PictureSet split_off(double fraction, std::uint64_t seed, const std::filesystem::path& root) {
    if (!(fraction > 0 && fraction < 1))
      fail(set_name, ": the part to be split off is ", fraction, ", expected more than 0 and less than 1");
    PictureSet apart{set_name + ", split off", class_names, {}, limits};
    std::vector<PictureFile> kept;
    std::vector<int> left(class_names.size());
    for (PictureFile& file : files) {
      Fingerprint place;
      const auto below = file.path.lexically_relative(root);
      place.add((below.empty() ? file.path : below).generic_string());
      const bool moves = uniform(random_words(seed, Purpose::split, place.value(), 0)[0]) < fraction;
      if (!moves) ++left[static_cast<std::size_t>(file.label)];
      (moves ? apart.files : kept).push_back(std::move(file));
    }
    files = std::move(kept);
    for (std::size_t c = 0; c < left.size(); ++c)
      if (left[c] == 0)
        fail(set_name, ": the class ", class_names[c], " keeps no picture to train on when ", fraction,
             " of all are split off; split off fewer, or add pictures");
    if (apart.files.empty())
      fail(set_name, ": ", fraction, " of ", size(), " pictures is none; split off more, or add pictures");
    return apart;
  }

  /// Keeps the first `count` files of an order that mixes the classes, all where there are fewer; labels
  /// stay.
  void limit(int count, std::uint64_t seed) {
    if (count < 0) fail(set_name, ": cannot be limited to ", count, " pictures, expected 0 or more");
    if (count >= size()) return;
    std::vector<std::pair<std::uint32_t, std::size_t>> order;
    for (std::size_t i = 0; i < files.size(); ++i)
      order.emplace_back(random_words(seed, Purpose::split, 0, static_cast<std::uint32_t>(i))[0], i);
    std::sort(order.begin(), order.end());
    order.resize(static_cast<std::size_t>(count));
    std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    std::vector<PictureFile> kept;
    for (const auto& [draw, i] : order) kept.push_back(std::move(files[i]));
    files = std::move(kept);
  }
};

/// What is looked at before training.
struct PictureData {
  PictureSet train, test;
  /// a sentence for each picture that is left out, where that was asked for
  std::vector<std::string> left_out;
};

/// Looks at the beginning of every file, and throws Error for the first one that is no picture; or takes all
/// of them out of the set, and appends a sentence for each to `left_out`. Pictures that are cut off further
/// behind are found when they are read.
/// @param left_out  null: nothing may be left out
inline void check_pictures(PictureSet& set, int threads, std::vector<std::string>* left_out) {
  check_threads("pictures", threads);
  std::vector<std::string> wrong(set.files.size());
  parallel_for(static_cast<int>(set.files.size()), threads, [&](int i, int) {
    try {
      static_cast<void>(check_picture_file(set.files[static_cast<std::size_t>(i)].path, set.limits));
    } catch (const std::exception& error) {
      wrong[static_cast<std::size_t>(i)] = error.what();
    }
  });
  const auto bad = std::count_if(wrong.begin(), wrong.end(),
                                 [](const std::string& sentence) { return !sentence.empty(); });
  if (bad == 0) return;
  if (!left_out) {
    const auto first = std::find_if(wrong.begin(), wrong.end(),
                                    [](const std::string& sentence) { return !sentence.empty(); });
    if (bad == 1) fail(*first, ", or leave broken pictures out");
    fail(*first, ", or leave broken pictures out (", bad - 1, " more of ", set.set_name, " are broken, too)");
  }
  std::vector<PictureFile> good;
  for (std::size_t i = 0; i < wrong.size(); ++i) {
    if (wrong[i].empty())
      good.push_back(std::move(set.files[i]));
    else
      left_out->push_back(wrong[i]);
  }
  set.files = std::move(good);
  if (set.files.empty())
    fail(set.set_name, ": all ", bad,
         " pictures are broken; the first: ", left_out->at(left_out->size() - static_cast<std::size_t>(bad)));
}

}  // namespace sdepth::inline SDEPTH_ISA
