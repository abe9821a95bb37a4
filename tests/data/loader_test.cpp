#include <doctest/doctest.h>

#include <chrono>
#include <limits>
#include <set>
#include <thread>
#include <vector>

#include <sdepth/data/loader.hpp>
#include <sdepth/data/synthetic.hpp>

#include "scratch.hpp"

using namespace sdepth;
using namespace sdepth::test;

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

bool same(const Batch& a, const Batch& b) { return a.size == b.size && a.labels == b.labels && a.images == b.images; }

}  // namespace

TEST_CASE("without shuffling and augmentation the batches are the set's records in order, the last one partial") {
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
        equal = equal && batch.images[static_cast<std::size_t>(i) * 192 + p] == static_cast<float>(pictures().image(record)[p]) / 255.0F;
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
      CHECK(batch.labels[static_cast<std::size_t>(i)] == pictures().labels[static_cast<std::size_t>(order[at])]);
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
    for (std::size_t i = 0; i < rest.size(); ++i) CHECK(same(rest[i], whole[i + static_cast<std::size_t>(first)]));
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

TEST_CASE("what goes wrong in the thread is thrown to the caller, after the batches before it") {
  ImageSet wrong = pictures();
  wrong.labels[33] = 10;
  Loader loader(wrong, Normalization::none(), {.batch = 8, .shuffle = false});
  loader.start(0);
  for (int step = 0; step < 4; ++step) CHECK(loader.next() != nullptr);
  CHECK(says(error_of([&] { (void)loader.next(); }), "synthetic training set: record 33 has the label 10, expected 0 to 9"));
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
  CHECK(says(error(pictures(), Normalization::none(), {.prefetch = std::numeric_limits<int>::min()}), "prefetch -2147483648"));
  CHECK(says(error({}, Normalization::none(), {}), "pictures of 0 x 0 x 0"));
  CHECK(says(error(pictures(), Normalization::from_values(std::vector<float>{1, 2, 3}, {1, 1, 2}), {}), "mean picture has 2 values"));
  ImageSet short_of_pixels = pictures();
  short_of_pixels.pixels.pop_back();
  CHECK(says(error(short_of_pixels, Normalization::none(), {}), "9599 bytes of pixels do not fit 50 records"));
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
