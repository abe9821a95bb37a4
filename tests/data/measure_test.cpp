// Statistics of a source, and the rows of steps by name.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include <sdepth/data/measure.hpp>
#include <sdepth/data/presets.hpp>
#include <sdepth/data/synthetic.hpp>

#include "scratch.hpp"

namespace sdepth::test::measure_test {

namespace {

const ImageSet& pictures() {
  static const ImageSet set = synthetic({3, 10, 12}, 5, 150, 0, 1).train;
  return set;
}
std::vector<Batch> epoch_of(Loader& loader) {
  std::vector<Batch> batches;
  for (loader.start(2); const Batch* batch = loader.next();) batches.push_back(*batch);
  return batches;
}

}  // namespace

TEST_CASE(
    "the mean picture and deviation of a source are those of the same pictures in memory; channels have their own") {
  const Transforms as_they_are = Compose{Channels{3}};
  const ImageRecords source{pictures()};
  const auto paper = Normalization::paper(pictures()).values(),
             measured = measure(source, as_they_are, {3, 10, 12}, MeansOf::positions).values();
  REQUIRE(measured.size() == paper.size());
  for (std::size_t i = 0; i < paper.size(); ++i)
    CHECK(measured[i] == doctest::Approx(paper[i]).epsilon(1e-6));

  double sum = 0, squares = 0;
  for (std::size_t i = 1; i < pictures().pixels.size(); i += 3) {
    sum += pictures().pixels[i];
    squares += static_cast<double>(pictures().pixels[i]) * pictures().pixels[i];
  }
  const double count = static_cast<double>(pictures().pixels.size()) / 3, mean = sum / count;
  const auto channels = measure(source, as_they_are, {3, 10, 12}, MeansOf::channels, {.threads = 3}).values();
  REQUIRE(channels.size() == 6);
  CHECK(channels[1] == doctest::Approx(mean).epsilon(1e-6));
  CHECK(channels[4] == doctest::Approx(std::sqrt(squares / count - mean * mean)).epsilon(1e-6));

  const auto few = measure(source, as_they_are, {3, 10, 12}, MeansOf::channels, {.pictures = 20}).values();
  CHECK(few != channels);
  CHECK(
      few ==
      measure(source, as_they_are, {3, 10, 12}, MeansOf::channels, {.pictures = 20, .threads = 2}).values());
  const ImageSet nothing = pictures().subset(0, 0),
                 one_colour{
                     .shape = {1, 1, 1}, .classes = 2, .pixels = {7, 7}, .labels = {0, 1}, .name = "grey"};
  CHECK(says(
      error_of([&] { (void)measure(ImageRecords{nothing}, as_they_are, {3, 10, 12}, MeansOf::channels); }),
      "there are no pictures"));
  CHECK(says(error_of([&] {
               (void)measure(ImageRecords{one_colour}, as_they_are, {3, 10, 12}, MeansOf::channels,
                             {.pictures = -1});
             }),
             "measure: pictures is -1, expected at least 1"));
  CHECK(says(error_of([&] {
               (void)measure(ImageRecords{one_colour}, Compose{Channels{1}}, {1, 1, 1}, MeansOf::positions);
             }),
             "do not differ"));
}

TEST_CASE(
    "the preset `paper` gives pictures of the input's size the bits that the loader of pictures in memory gives") {
  const ImageSet square = synthetic({3, 10, 10}, 5, 60, 0, 1).train;
  const Normalization own = Normalization::paper(square);
  for (const bool augment : {false, true}) {
    Loader in_memory(square, own, {.batch = 32, .augment = augment, .seed = 4});
    Loader any(ImageRecords{square}, training_transforms(augment ? "paper" : "none", square.shape, own),
               square.shape, {.batch = 32, .seed = 4});
    const auto expected = epoch_of(in_memory), batches = epoch_of(any);
    REQUIRE(batches.size() == expected.size());
    for (std::size_t i = 0; i < batches.size(); ++i) CHECK(batches[i].images == expected[i].images);
  }
  Loader other(ImageRecords{pictures()}, test_transforms({3, 10, 12}, own), {3, 10, 12}, {});
  other.start(0);
  CHECK(says(error_of([&] { (void)other.next(); }),
             "normalization: the means are of other pictures than 3 x 10 x 12"));
}

TEST_CASE("presets make pictures of any extents and channels the network's input; other names are refused") {
  for (const Shape input : {Shape{3, 8, 8}, Shape{1, 7, 9}})
    for (const std::string_view name : augmentation_names) {
      Loader loader(ImageRecords{pictures()}, training_transforms(name, input, Normalization::none()), input,
                    {.batch = 50, .seed = 1});
      CHECK(epoch_of(loader).size() == 3);
      Loader test(ImageRecords{pictures()}, test_transforms(input, Normalization::none(), 0.875), input,
                  {.batch = 50});
      CHECK(epoch_of(test).size() == 3);
    }
  CHECK(says(error_of([] { (void)training_transforms("strong", {3, 8, 8}, Normalization::none()); }),
             "named strong", "paper, imagenet or none"));
}

}  // namespace sdepth::test::measure_test
