#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <limits>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include <sdepth/data/color_jitter.hpp>
#include <sdepth/data/loader.hpp>
#include <sdepth/data/mixing.hpp>
#include <sdepth/data/synthetic.hpp>

#include "../signal_for_caller.hpp"
#include "../train/threads_communicator.hpp"
#include "scratch.hpp"

namespace sdepth::test::loader_test {

namespace {

const ImageSet& pictures() {
  static const ImageSet set = synthetic({3, 8, 8}, 10, 50, 0, 1).train;
  return set;
}

std::vector<Batch> epoch_of(Loader& loader, int epoch, int first_step = 0) {
  std::vector<Batch> batches;
  for (loader.start(epoch, first_step); const Batch* batch = loader.next();) batches.push_back(*batch);
  return batches;
}

bool same(const Batch& a, const Batch& b) {
  return a.size == b.size && a.labels == b.labels && a.images == b.images;
}

}  // namespace

TEST_CASE(
    "without shuffling and augmentation the batches are the set's records in order, the last one partial") {
  Loader loader(pictures(), Normalization::none(), {.batch = 16, .shuffle = false, .augment = false});
  CHECK(loader.steps() == 4);
  const auto batches = epoch_of(loader, 0);
  REQUIRE(batches.size() == 4);
  CHECK(batches[3].size == 2);
  CHECK(batches[3].images.size() == 2 * 192);
  int record = 0;
  for (const Batch& batch : batches)
    for (int i = 0; i < batch.size; ++i, ++record) {
      CHECK(batch.labels[static_cast<std::size_t>(i)] == pictures().labels[static_cast<std::size_t>(record)]);
      bool equal = true;
      for (std::size_t p = 0; p < 192; ++p)
        equal = equal && batch.images[static_cast<std::size_t>(i) * 192 + p] ==
                             static_cast<float>(pictures().image(record)[p]) / 255.0F;
      CHECK(equal);
    }
  CHECK(record == 50);
}

TEST_CASE("a shuffled epoch has every record once, normalised, shifted and flipped as drawn for it") {
  const Normalization paper = Normalization::paper(pictures());
  Loader loader(pictures(), paper, {.batch = 7, .seed = 5});
  std::vector<int> order;
  shuffled_order(order, 50, 5, 3);
  std::size_t at = 0;
  std::vector<float> normalized(192), expected(192);
  for (const Batch& batch : epoch_of(loader, 3))
    for (int i = 0; i < batch.size; ++i, ++at) {
      paper.apply(pictures().image(order[at]), normalized.data());
      augment(normalized.data(), {3, 8, 8}, draw_augmentation(5, 3, order[at]), expected.data());
      const auto from = batch.images.begin() + i * 192;
      CHECK(std::vector<float>(from, from + 192) == expected);
      CHECK(batch.labels[static_cast<std::size_t>(i)] ==
            pictures().labels[static_cast<std::size_t>(order[at])]);
    }
  CHECK(at == 50);
}

TEST_CASE("an epoch entered at a later step has the batches that it would have had") {
  Loader loader(pictures(), Normalization::none(), {.batch = 8, .seed = 1, .prefetch = 1});
  const auto whole = epoch_of(loader, 2);
  for (int first = 0; first <= loader.steps(); ++first) {
    Loader fresh(pictures(), Normalization::none(), {.batch = 8, .seed = 1, .prefetch = 4});
    const auto rest = epoch_of(fresh, 2, first);
    REQUIRE(rest.size() == whole.size() - static_cast<std::size_t>(first));
    for (std::size_t i = 0; i < rest.size(); ++i)
      CHECK(same(rest[i], whole[i + static_cast<std::size_t>(first)]));
  }
  CHECK(!same(epoch_of(loader, 3)[0], whole[0]));
  CHECK(says(error_of([&] { loader.start(0, 8); }), "step 8 of an epoch of 7"));
}

TEST_CASE("a batch stays as it is until the next is asked for, however far ahead the thread may be") {
  Loader loader(pictures(), Normalization::none(), {.batch = 5, .prefetch = 2});
  loader.start(0);
  while (const Batch* batch = loader.next()) {
    const Batch copy = *batch;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    CHECK(same(copy, *batch));
  }
}

TEST_CASE("memory is taken once: the same few buffers come again and again") {
  Loader loader(pictures(), Normalization::none(), {.batch = 4, .prefetch = 2});
  std::set<const float*> buffers;
  for (int epoch = 0; epoch < 3; ++epoch)
    for (loader.start(epoch); const Batch* batch = loader.next();) buffers.insert(batch->images.data());
  CHECK(buffers.size() == 3);
}

TEST_CASE("a loader may be destroyed or restarted at any moment") {
  for (int taken = 0; taken < 8; ++taken) {
    Loader loader(pictures(), Normalization::none(), {.batch = 4});
    loader.start(0);
    for (int i = 0; i < taken; ++i) (void)loader.next();
    if (taken % 2 == 0) continue;
    loader.start(1);
    CHECK(loader.next() != nullptr);
  }
  Loader never_started(pictures(), Normalization::none(), {});
  CHECK(never_started.next() == nullptr);
}

#if !defined(__SANITIZE_THREAD__)  // which does not know threads in a child of a process with threads
TEST_CASE("its threads take no signals: they are the program's") {
  CHECK(signal_reaches_the_caller([] {
    auto loader = std::make_unique<Loader>(pictures(), Normalization::none(), LoaderOptions{.batch = 4});
    loader->start(0);
    (void)loader->next();  // so that its thread has begun
    return loader;
  }));
}
#endif

TEST_CASE("what goes wrong in the thread is thrown to the caller, after the batches before it") {
  ImageSet wrong = pictures();
  wrong.labels[33] = 10;
  Loader loader(wrong, Normalization::none(), {.batch = 8, .shuffle = false});
  loader.start(0);
  for (int step = 0; step < 4; ++step) CHECK(loader.next() != nullptr);
  CHECK(says(error_of([&] { (void)loader.next(); }),
             "synthetic training set: record 33 has the label 10, expected 0 to 9"));
  CHECK(loader.next() == nullptr);
  loader.start(0, 5);
  CHECK(loader.next() != nullptr);
}

TEST_CASE("what does not fit together is refused") {
  const auto error = [](const ImageSet& set, const Normalization& normalization, LoaderOptions options) {
    return error_of([&] { Loader(set, normalization, options); });
  };
  CHECK(says(error(pictures(), Normalization::none(), {.batch = 0}), "batch 0"));
  CHECK(says(error(pictures(), Normalization::none(), {.batch = -1}), "batch -1"));
  CHECK(says(error(pictures(), Normalization::none(), {.prefetch = 0}), "prefetch 0"));
  CHECK(says(error(pictures(), Normalization::none(), {.prefetch = std::numeric_limits<int>::min()}),
             "prefetch -2147483648"));
  CHECK(says(error({}, Normalization::none(), {}), "pictures of 0 x 0 x 0"));
  CHECK(says(error(pictures(), Normalization::from_values(std::vector<float>{1, 2, 3}, {1, 1, 2}), {}),
             "mean picture has 2 values"));
  ImageSet short_of_pixels = pictures();
  short_of_pixels.pixels.pop_back();
  CHECK(
      says(error(short_of_pixels, Normalization::none(), {}), "9599 bytes of pixels do not fit 50 records"));
  CHECK(says(error(pictures(), Normalization::none(), {.threads = 0}), "loader: threads is 0"));
  CHECK(says(error(pictures(), Normalization::none(), {.threads = std::numeric_limits<int>::max()}),
             "loader: threads is 2147483647, expected at most 4096"));
  const ImageSet empty = pictures().subset(0, 0);
  Loader nothing(empty, Normalization::none(), {});
  CHECK(nothing.steps() == 0);
  nothing.start(0);
  CHECK(nothing.next() == nullptr);
}

TEST_CASE("the largest numbers there are take no more memory than the pictures need") {
  constexpr int most = std::numeric_limits<int>::max();
  Loader loader(pictures(), Normalization::none(), {.batch = most, .prefetch = most});
  CHECK(loader.steps() == 1);
  const auto batches = epoch_of(loader, most);
  REQUIRE(batches.size() == 1);
  CHECK(batches[0].size == 50);
  Loader one_by_one(pictures(), Normalization::none(), {.batch = 1, .prefetch = most});
  CHECK(epoch_of(one_by_one, 0).size() == 50);
}

namespace {
struct Many {
  int records;
  [[nodiscard]] int size() const { return records; }
  [[nodiscard]] int classes() const { return 10; }
  [[nodiscard]] std::string name() const { return "many"; }
  void read(int, Picture&) const { fail("not read here"); }
};
}  // namespace

TEST_CASE("batches that no memory holds, and shapes that are none, are refused in a sentence") {
  constexpr int most = std::numeric_limits<int>::max();
  const auto error = [](int records, Shape shape, LoaderOptions options) {
    return error_of([&] { Loader(Many{records}, Compose{Normalize{}}, shape, options); });
  };
  const char* const sentence = "; choose a smaller batch or prefetch";
  CHECK(says(error(most, {3, 224, 224}, {.batch = most, .prefetch = 1}), sentence));
  CHECK(says(error(1000, {most, most, most}, {}), sentence));
  CHECK(says(error(1000, {3, -1, 8}, {}),
             "many: pictures are to become 3 x -1 x 8, expected 1 or more of each"));
  CHECK(says(error(1000, {}, {}), "pictures are to become 0 x 0 x 0"));
  CHECK(says(error(-1, {3, 8, 8}, {}), "many has -1 records, expected 0 or more"));
}

TEST_CASE("a start that is refused leaves the epoch in progress as it was") {
  Loader loader(pictures(), Normalization::none(), {.batch = 8});
  const auto whole = epoch_of(loader, 1);
  loader.start(1);
  std::vector<Batch> batches{*loader.next()};
  CHECK(says(error_of([&] { loader.start(1, 8); }), "step 8 of an epoch of 7"));
  CHECK(says(error_of([&] { loader.start(1, -1); }), "step -1"));
  CHECK(says(error_of([&] { loader.start(-1); }), "epoch -1"));
  while (const Batch* batch = loader.next()) batches.push_back(*batch);
  REQUIRE(batches.size() == whole.size());
  for (std::size_t i = 0; i < whole.size(); ++i) CHECK(same(batches[i], whole[i]));
}

namespace {

/// Pictures of their own extents in 1,000 classes, a targets' row for each if wanted; reading takes unequal
/// time, and some records are broken.
struct Slow {
  int broken_every = 0;
  int target_count = 0;
  int records = 40;
  [[nodiscard]] int size() const { return records; }
  [[nodiscard]] int classes() const { return 1000; }
  [[nodiscard]] int targets() const { return target_count; }
  [[nodiscard]] std::string name() const { return "slow"; }
  void read(int record, Picture& picture) const {
    std::this_thread::sleep_for(std::chrono::microseconds(record * 7919 % 13 * 100));
    if (broken_every > 0 && record % broken_every == 2) fail("record ", record, " is broken");
    picture.shape = {3, 4 + record % 3, 5};
    picture.bytes.clear();
    picture.numbers.assign(picture.shape.size(), static_cast<float>(record));
    picture.label = 999 - record;
    for (int t = 0; t < target_count; ++t) picture.targets.push_back(static_cast<float>(10 * record + t));
  }
};
const Compose crop{RandomResizedCrop{4, 4}, ColorJitter{0.5, 0.5, 0.5}, Normalize{}};
constexpr Shape cropped{3, 4, 4};

}  // namespace

TEST_CASE(
    "batches do not depend on how many threads read and augment, whatever they wait for, mixed or not") {
  const Slow source;
  for (const Transforms& transforms :
       {Transforms(crop), Transforms(Compose{RandomResizedCrop{4, 4}, Mixup{}})}) {
    Loader one(source, transforms, cropped, {.batch = 12, .seed = 3});
    for (const int threads : {2, 7}) {
      Loader several(source, transforms, cropped,
                     {.batch = 12, .seed = 3, .prefetch = 2, .threads = threads});
      for (const int first : {0, 2}) {
        const auto expected = epoch_of(one, 4, first), batches = epoch_of(several, 4, first);
        REQUIRE(batches.size() == expected.size());
        for (std::size_t i = 0; i < batches.size(); ++i) {
          CHECK(same(batches[i], expected[i]));
          CHECK(batches[i].targets == expected[i].targets);
        }
      }
    }
  }
}

TEST_CASE("labels beyond 255, targets of one's own, and numbers to be predicted reach the batch") {
  const Slow source{.target_count = 2};
  Loader loader(source, crop, cropped, {.batch = 16, .shuffle = false, .threads = 3});
  const auto batches = epoch_of(loader, 0);
  CHECK(batches[0].labels[1] == 998);
  CHECK(batches[1].targets[0] == 160);
  CHECK(batches[1].targets[3] == 171);
  CHECK(batches[2].targets.size() == 16);
  CHECK(loader.waited() > 0);
  Loader temporary(Slow{.records = 3}, crop, cropped, {.batch = 2});  // kept by the loader
  CHECK(epoch_of(temporary, 0).size() == 2);
}

TEST_CASE("a source that gives a record other targets than it promises is refused") {
  struct Forgetful : Slow {
    [[nodiscard]] static int targets() { return 3; }
  };
  Loader loader(Forgetful{Slow{.target_count = 2}}, crop, cropped, {.batch = 4, .shuffle = false});
  loader.start(0);
  CHECK(error_of([&] { (void)loader.next(); }) == "slow: record 0 has 2 targets, expected 3");
}

TEST_CASE(
    "a source that gives a record other values than its shape has is refused before anything reads them") {
  struct Short : Slow {
    Shape shape;
    std::size_t values = 0;
    void read(int, Picture& picture) const {
      picture.shape = shape;
      picture.bytes.assign(values, 1);
    }
  };
  const auto refused = [](Shape shape, std::size_t values) {
    Loader loader(Short{{}, shape, values}, crop, cropped, {.batch = 4, .shuffle = false});
    loader.start(0);
    return error_of([&] { (void)loader.next(); });
  };
  CHECK(says(refused({3, 9, 9}, 10),
             "slow: record 0 has the shape 3 x 9 x 9 and 10 values; a source's read sets"));
  CHECK(says(refused({0, 0, 0}, 0), "slow: record 0 has the shape 0 x 0 x 0 and 0 values"));
  CHECK(says(refused({3, -1, 9}, 10), "slow: record 0 has the shape 3 x -1 x 9"));
}

TEST_CASE(
    "broken records are errors, the first of a batch whatever the threads, or are left out and counted once") {
  const Slow source{.broken_every = 9};
  for (int i = 0; i < 3; ++i) {
    Loader loader(source, crop, cropped, {.batch = 20, .shuffle = false, .threads = 4});
    loader.start(0);
    CHECK(error_of([&] { (void)loader.next(); }) == "record 2 is broken");
    CHECK(loader.next() == nullptr);
  }
  Loader loader(source, crop, cropped, {.batch = 20, .shuffle = false, .threads = 4, .skip_broken = true});
  for (int epoch = 0; epoch < 2; ++epoch) {
    const auto batches = epoch_of(loader, epoch);
    CHECK(batches[0].size == 18);  // without 2 and 11
    CHECK(batches[0].images.size() == 18 * 48);
    CHECK(batches[0].labels[2] == 996);
    CHECK(batches[1].size == 17);  // without 20, 29 and 38
  }
  const auto broken = loader.broken();
  CHECK(broken.size() == 5);
  CHECK(broken.at(38) == "record 38 is broken");
  struct Nothing {
    [[nodiscard]] int size() const { return 3; }
    [[nodiscard]] int classes() const { return 2; }
    [[nodiscard]] std::string name() const { return "nothing"; }
    void read(int, Picture&) const { fail("no"); }
  };
  Loader none(Nothing{}, crop, cropped, {.batch = 3, .skip_broken = true});
  none.start(0);
  CHECK(says(error_of([&] { (void)none.next(); }), "nothing: all 3 records of batch 0 are broken"));
}

namespace {

/// A step of one's own that looks at the whole batch, and does not say how far it looks.
struct AddMean {
  void mix(Batch& batch, Shape, int, RecordRandom&) const {
    float sum = 0;
    for (const float value : batch.images) sum += value;
    for (float& value : batch.images) value += sum / static_cast<float>(batch.images.size());
  }
};

}  // namespace

TEST_CASE(
    "the shares of several processes are together the batches of one, mixed across their borders or with broken records left out") {
  const Mixup mixup{0.4};
  const CutMix cutmix{1.0};
  for (const Transforms& transforms :
       {Transforms(crop),
        Transforms(Compose{RandomResizedCrop{4, 4}, Normalize{}, OneOf<Mixup, CutMix>{mixup, cutmix}}),
        Transforms(Compose{RandomResizedCrop{4, 4}, Normalize{}, mixup}).then(cutmix),
        Transforms(Compose{RandomResizedCrop{4, 4}, AddMean{}})})
    for (const int broken_every : {0, 9}) {
      const Slow source{.broken_every = broken_every};
      // the last batch has a record
      const LoaderOptions options{.batch = 13, .seed = 6, .skip_broken = broken_every > 0};
      Loader one(source, transforms, cropped, options);
      const auto expected = epoch_of(one, 2);
      for (const int ranks : {2, 8}) {
        CAPTURE(ranks);
        std::vector<std::vector<Batch>> shares(static_cast<std::size_t>(ranks));
        std::vector<std::size_t> broken(shares.size());
        on_ranks(ranks, [&](Meeting::Rank& rank) {
          LoaderOptions shared = options;
          shared.share = {rank.rank(), ranks, 8};
          shared.others = &rank;
          Loader loader(source, transforms, cropped, shared);
          shares[static_cast<std::size_t>(rank.rank())] = epoch_of(loader, 2);
          broken[static_cast<std::size_t>(rank.rank())] = loader.broken().size();
        });
        for (std::size_t i = 0; i < expected.size(); ++i) {
          Batch together;
          for (int r = 0; r < ranks; ++r) {
            const Batch& batch = shares[static_cast<std::size_t>(r)][i];
            CHECK(batch.size == BatchShare{r, ranks, 8}.images_of(expected[i].size).size());
            together.size += batch.size;
            together.images.insert(together.images.end(), batch.images.begin(), batch.images.end());
            together.labels.insert(together.labels.end(), batch.labels.begin(), batch.labels.end());
            together.targets.insert(together.targets.end(), batch.targets.begin(), batch.targets.end());
          }
          CHECK(same(together, expected[i]));
          CHECK(together.targets == expected[i].targets);
        }
        for (const std::size_t count : broken) CHECK(count == one.broken().size());
      }
    }
  CHECK(says(error_of([] { Loader(Slow{}, crop, cropped, {.share = {0, 2, 8}, .skip_broken = true}); }),
             "`others` is needed"));
}

TEST_CASE(
    "pictures that do not become the network's input, and labels outside the classes, are refused with their record") {
  const Slow source;
  Loader loader(source, Compose{Normalize{}}, cropped, {.batch = 4, .shuffle = false});
  loader.start(0);
  CHECK(says(error_of([&] { (void)loader.next(); }), "slow: record 0 becomes a picture of 3 x 4 x 5",
             "the network reads 3 x 4 x 4", "FitInput"));
  const Slow many{.records = 1001};
  Loader beyond(many, Compose{ResizeTo{4, 4}}, cropped, {.batch = 1, .shuffle = false, .skip_broken = true});
  beyond.start(0, 1000);
  CHECK(
      says(error_of([&] { (void)beyond.next(); }), "slow: record 1000 has the label -1, expected 0 to 999"));
  CHECK(says(error_of([&] { Loader(many, crop, cropped, {.threads = 0}); }), "threads is 0"));
}

}  // namespace sdepth::test::loader_test
