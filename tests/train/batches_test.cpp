// A loader's batches in a trainer: labels, probabilities of mixed pictures, and numbers to be predicted.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include <sdepth/data/loader.hpp>
#include <sdepth/data/mixing.hpp>
#include <sdepth/data/synthetic.hpp>
#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/losses/mean_squared_error.hpp>
#include <sdepth/train/batches.hpp>
#include <sdepth/train/block_removal.hpp>
#include <sdepth/train/trainer.hpp>

namespace sdepth::test::batches_test {

namespace {

using Net = Network<Input<1, 8, 8>, Conv<4>, BN, ReLU, GlobalAvgPool, Linear<3>>;

/// Three numbers for each picture.
struct Numbers {
  [[nodiscard]] int size() const { return 6; }
  [[nodiscard]] int classes() const { return 0; }
  [[nodiscard]] int targets() const { return 3; }
  [[nodiscard]] std::string name() const { return "numbers"; }
  void read(int record, Picture& picture) const {
    picture.shape = {1, 8, 8};
    picture.bytes.assign(64, static_cast<std::uint8_t>(record));
    picture.numbers.clear();
    picture.targets = {1.0F, 0.0F, static_cast<float>(record)};
  }
};

}  // namespace

TEST_CASE("steps and scores of batches are those of their labels, their probabilities, or their numbers") {
  const ImageSet set = synthetic({1, 8, 8}, 3, 8, 0, 1).train;
  Trainer<Net, Reference> one({.batch = 8}), other({.batch = 8});
  Loader plain(set, Normalization::none(), {.batch = 8, .augment = false});
  plain.start(0);
  const Batch* batch = plain.next();
  CHECK(train_step(one, *batch).loss == other.step(NHWC<float>{batch->images}, batch->labels).loss);
  CHECK(evaluate(one, plain).loss ==
        doctest::Approx(other.evaluate(NHWC<float>{batch->images}, batch->labels).loss));

  Loader mixed(ImageRecords{set}, Compose{Normalize{}, Mixup{1.0}}, set.shape, {.batch = 8});
  mixed.start(0);
  batch = mixed.next();
  const double loss = other.step(NHWC<float>{batch->images}, Probabilities{batch->targets}).loss;
  CHECK(train_step(one, *batch).loss == loss);
  CHECK(loss != other.step(NHWC<float>{batch->images}, batch->labels).loss);

  Trainer<Net, Reference, MeanSquaredError> regression({.batch = 6}), same({.batch = 6});
  Loader numbers(Numbers{}, Compose{Normalize{}}, {1, 8, 8}, {.batch = 6});
  numbers.start(0);
  batch = numbers.next();
  CHECK(train_step(regression, *batch).loss == same.step(NHWC<float>{batch->images}, batch->targets).loss);
}

namespace {
/// An epoch without batches.
struct Nothing {
  struct Batch {
    std::vector<float> images;
    std::vector<int> labels;
  };
  void start(int) {}
  const Batch* next() { return nullptr; }
};
}  // namespace

TEST_CASE("without images there is no score: a perfect one is not made up") {
  Trainer<Net, Reference> trainer({.batch = 8});
  const NHWC<float> none{};
  const std::vector<int> labels;
  const char* const sentence =
      "expected at least 1 image, found 0; without images there is neither a loss nor an error";
  const auto refused = [&](const auto& action) {
    CHECK_THROWS_WITH_AS(action(), doctest::Contains(sentence), Error);
  };
  refused([&] { (void)trainer.evaluate(none, labels); });
  Nothing nothing;
  refused([&] { (void)evaluate(trainer, nothing); });
  const ImageSet empty = synthetic({1, 8, 8}, 3, 8, 0, 1).test;
  Loader loader(empty, Normalization::none(), {.batch = 8, .shuffle = false, .augment = false});
  refused([&] { (void)evaluate(trainer, loader); });
  refused([&] { (void)score_of({}, labels, 3); });
  refused([&] { (void)score_of_any({}, labels, 3); });
  refused([&] { (void)score_at_depth(*trainer.weights(), {}, none, labels); });
  CHECK(std::isnan(Score{}.error_rate()));
  CHECK(trainer.predict(none).empty());
}

}  // namespace sdepth::test::batches_test
