// The steps of augmentation: torchvision's numbers where nothing is drawn, and what is drawn as a function of
// (seed, epoch, record, step).
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <sdepth/data/augmentations.hpp>
#include <sdepth/data/color_jitter.hpp>
#include <sdepth/data/mixing.hpp>
#include <sdepth/data/resize.hpp>

#include "scratch.hpp"

namespace sdepth::test::transforms_test {

namespace {

Picture picture_of(Shape shape, std::vector<float> numbers) {
  return {.shape = shape, .bytes = {}, .numbers = std::move(numbers), .label = 0, .targets = {}};
}
/// Numbers 1, 2, 3, …, so that it is seen where each has gone.
Picture counting(Shape shape) {
  Picture picture = picture_of(shape, std::vector<float>(shape.size()));
  for (std::size_t i = 0; i < shape.size(); ++i) picture.numbers[i] = static_cast<float>(i + 1);
  return picture;
}
template <class... Steps>
Picture changed(const Compose<Steps...>& compose, Picture picture, int record, int epoch = 0,
                std::uint64_t seed = 1) {
  RecordContext context{.seed = seed, .epoch = epoch, .record = record, .scratch = {}};
  compose.apply(picture, context);
  picture.as_numbers();
  return picture;
}
/// The largest difference of two rows of numbers.
double distance(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return largest;
}

/// n^1.7 for n = 0 … 19, of which torchvision made the numbers below.
Picture powers() {
  std::vector<float> numbers;
  for (int n = 0; n < 20; ++n) numbers.push_back(static_cast<float>(std::pow(n, 1.7)));
  return picture_of({1, 4, 5}, numbers);
}
Batch batch_of(int size, Shape shape) {
  Batch batch{.images = {}, .labels = {}, .targets = {}, .size = size};
  for (int n = 0; n < size; ++n) {
    batch.images.insert(batch.images.end(), shape.size(), static_cast<float>(n + 1));
    batch.labels.push_back(n % 3);
  }
  return batch;
}

}  // namespace

TEST_CASE(
    "resizing is PyTorch's antialiased bilinear interpolation, smaller and larger; resize and crop is torchvision's") {
  ResizeScratch scratch;
  const auto resized = [&](int height, int width) {
    Picture picture = powers();
    resize(picture, height, width, scratch);
    CHECK(picture.shape == Shape{1, height, width});
    return picture.numbers;
  };
  CHECK(distance(resized(2, 3), {15.52379F, 23.04142F, 32.37696F, 70.56576F, 86.25221F, 103.1993F}) < 1e-4);
  CHECK(distance(resized(3, 2), {7.393947F, 15.11245F, 40.21341F, 56.5103F, 95.87621F, 118.9678F}) < 1e-4);
  const std::vector<float> larger = resized(6, 7);
  CHECK(distance({larger.begin(), larger.begin() + 9}, {0, 0.5714286F, 1.642574F, 3.24901F, 5.551865F,
                                                        8.222889F, 10.55606F, 7.712923F, 9.600071F}) < 1e-4);
  CHECK(distance({larger.end() - 3, larger.end()}, {132.5314F, 141.7497F, 149.2386F}) < 1e-4);
  Picture middle = powers();
  resize_to_cover(middle, 3, 3, 2, 2, scratch);
  CHECK(middle.shape == Shape{1, 2, 2});
  CHECK(distance(middle.numbers, {5.648399F, 10.66976F, 35.8624F, 47.96715F}) < 1e-4);
}

TEST_CASE(
    "a part of a resize is that part of the whole, and bytes are resized as numbers are, channel by channel") {
  ResizeScratch scratch;
  Picture whole = counting({3, 17, 13}), part = counting({3, 17, 13});
  const Box box{2, 3, 11, 9};
  resize(whole, box, 7, 6, {0, 0, 7, 6}, scratch);
  resize(part, box, 7, 6, {3, 2, 2, 4}, scratch);
  std::vector<float> expected;
  for (std::size_t y = 3; y < 5; ++y)
    for (std::size_t i = 2 * 3; i < 6 * 3; ++i) expected.push_back(whole.numbers[y * 18 + i]);
  CHECK(part.numbers == expected);
  Picture bytes{.shape = {3, 2, 4}, .bytes = Bytes(24), .numbers = {}, .label = 0, .targets = {}},
      numbers = counting({3, 2, 4});
  for (std::size_t i = 0; i < 24; ++i) bytes.bytes[i] = static_cast<std::uint8_t>(i + 1);
  resize(bytes, 3, 3, scratch);
  resize(numbers, 3, 3, scratch);
  CHECK(bytes.numbers == numbers.numbers);
  CHECK(bytes.bytes.empty());
}

TEST_CASE("brightness, contrast, saturation and hue are torchvision's") {
  const std::vector<float> start{250, 10, 30, 40, 200, 90, 120, 130, 140, 255, 0, 77, 5, 60, 250, 8, 8, 8};
  const auto check = [&](auto change, const std::vector<float>& expected) {
    std::vector<float> numbers = start;
    change(numbers);
    CHECK(distance(numbers, expected) < 0.03);  // the expected numbers have five digits
  };
  check([](auto& n) { ColorJitter::change_brightness(n, 1.3F); },
        {255, 13, 39, 52, 255, 117, 156, 169, 182, 255, 0, 100.1F, 6.5F, 78, 255, 10.4F, 10.4F, 10.4F});
  check([](auto& n) { ColorJitter::change_contrast(n, true, 0.6F); },
        {184, 39.999F, 51.999F, 57.999F, 154, 87.999F, 106, 112, 118, 187, 33.999F, 80.199F, 36.999F, 69.999F,
         184, 38.799F, 38.799F, 38.799F});
  check([](auto& n) { ColorJitter::change_saturation(n, 1.7F); },
        {255, 0, 0, 0, 242.27F, 55.269F, 114.3F, 131.3F, 148.3F, 255, 0, 71.402F, 0, 56.35F, 255, 8.0006F,
         8.0006F, 8.0006F});
  check([](auto& n) { ColorJitter::change_hue(n, 0.15); },
        {250, 206, 10, 40, 166, 200, 128, 120, 140, 255, 152.5F, 0, 170.5F, 5, 250, 8, 8, 8});
  check([](auto& n) { ColorJitter::change_hue(n, -0.4); },
        {10, 126, 250, 200, 40, 54, 138, 140, 120, 0, 179, 255, 158, 250, 5, 8, 8, 8});

  // The factors' range, and that there are many of them.
  double least = 9, most = 0;
  for (int record = 0; record < 500; ++record) {
    const double factor = static_cast<double>(changed(Compose{ColorJitter{.brightness = 0.4}},
                                                      picture_of({1, 1, 1}, {100}), record)
                                                  .numbers[0]) /
                          100;
    least = std::min(least, factor), most = std::max(most, factor);
  }
  CHECK(least >= 0.6);
  CHECK(least < 0.61);
  CHECK(most <= 1.4);
  CHECK(most > 1.39);
  CHECK(changed(Compose{ColorJitter{}}, picture_of({3, 1, 1}, {1, 2, 3}), 0).numbers ==
        std::vector<float>{1, 2, 3});
  // grey pictures, too
  CHECK(changed(Compose{ColorJitter{1, 1, 1, 0.5}}, picture_of({1, 1, 2}, {50, 50}), 4).numbers.size() == 2);
}

TEST_CASE("what a step draws depends on seed, epoch, record and its place alone") {
  const Compose compose{RandomResizedCrop{8, 8}, HorizontalFlip{}, ColorJitter{0.4, 0.4, 0.4, 0.1}};
  const auto at = [&](std::uint64_t seed, int epoch, int record) {
    return changed(compose, counting({3, 12, 14}), record, epoch, seed).numbers;
  };
  const std::vector<float> first = at(1, 0, 5);
  CHECK(at(1, 0, 5) == first);
  CHECK(at(2, 0, 5) != first);
  CHECK(at(1, 1, 5) != first);
  CHECK(at(1, 0, 6) != first);
  // The flip behind another step flips the same records as behind none that draws: its stream is its place's.
  int equal = 0;
  for (int record = 0; record < 40; ++record) {
    const auto alone = changed(Compose{Channels{1}, HorizontalFlip{}}, counting({1, 1, 2}), record).numbers;
    CHECK(changed(Compose{Shift{0}, HorizontalFlip{}}, counting({1, 1, 2}), record).numbers == alone);
    // another place
    equal += changed(Compose{HorizontalFlip{}}, counting({1, 1, 2}), record).numbers == alone;
  }
  CHECK(equal > 5);
  CHECK(equal < 35);
}

TEST_CASE("the paper's augmentation is draw_augmentation's, wherever it stands") {
  const Picture start = counting({3, 10, 9});
  for (int record = 0; record < 20; ++record) {
    std::vector<float> expected(start.numbers.size());
    augment(start.numbers.data(), start.shape, draw_augmentation(7, 3, record), expected.data());
    CHECK(changed(Compose{Channels{3}, PaperAugmentation{}}, start, record, 3, 7).numbers == expected);
  }
}

TEST_CASE("shift, flip, crop and cutout move what they should") {
  int flips = 0, seen[3][3] = {};
  for (int record = 0; record < 400; ++record) {
    const auto flipped = changed(Compose{HorizontalFlip{}}, counting({2, 2, 2}), record).numbers;
    const bool is_flipped = flipped == std::vector<float>{3, 4, 1, 2, 7, 8, 5, 6};
    CHECK((is_flipped || flipped == counting({2, 2, 2}).numbers));
    flips += is_flipped;
    // The middle of 3 x 3 marked: a shift by up to one pixel takes it anywhere.
    Picture dot = picture_of({1, 3, 3}, std::vector<float>(9));
    dot.numbers[4] = 1;
    const auto moved = changed(Compose{Shift{1}}, dot, record).numbers;
    const auto place = std::find(moved.begin(), moved.end(), 1.0F) - moved.begin();
    REQUIRE(place < 9);
    CHECK(std::count(moved.begin(), moved.end(), 0.0F) == 8);
    ++seen[place / 3][place % 3];
    const auto cropped = changed(Compose{RandomCrop{1, 2}}, counting({1, 2, 3}), record).numbers;
    CHECK((cropped == std::vector<float>{1, 2} || cropped == std::vector<float>{2, 3} ||
           cropped == std::vector<float>{4, 5} || cropped == std::vector<float>{5, 6}));
    const auto cut = changed(Compose{Cutout{2}}, counting({1, 5, 5}), record).numbers;
    const auto zeros = std::count(cut.begin(), cut.end(), 0.0F);
    CHECK((zeros == 4 || zeros == 2 || zeros == 1));  // at an edge, in a corner
  }
  CHECK(flips > 150);
  CHECK(flips < 250);
  for (const auto& row : seen)
    for (const int count : row) CHECK(count > 20);
  CHECK(changed(Compose{HorizontalFlip{1.0}}, counting({1, 1, 3}), 0).numbers == std::vector<float>{3, 2, 1});
  CHECK(says(error_of([] { (void)changed(Compose{RandomCrop{4, 4}}, counting({1, 3, 8}), 0); }), "3 x 8",
             "no part of 4 x 4"));
  CHECK(changed(Compose{Channels{1}}, picture_of({3, 1, 1}, {100, 50, 20}), 0).numbers[0] ==
        doctest::Approx(61.53));
  CHECK(changed(Compose{Channels{3}}, picture_of({1, 1, 2}, {1, 2}), 0).numbers ==
        std::vector<float>{1, 1, 1, 2, 2, 2});
}

TEST_CASE("a random resized crop has the areas and proportions that are asked for, and lies inside") {
  const RandomResizedCrop crop{};
  double least = 1, most = 0, narrowest = 9, widest = 0;
  for (int record = 0; record < 2000; ++record) {
    RecordRandom random(1, 0, record, 1);
    const Box box = crop.draw({3, 375, 500}, random);
    CHECK((box.top >= 0 && box.left >= 0 && box.height > 0 && box.width > 0 && box.top + box.height <= 375 &&
           box.left + box.width <= 500));
    const double area = box.height * box.width / (375.0 * 500),
                 ratio = static_cast<double>(box.width) / box.height;
    least = std::min(least, area), most = std::max(most, area), narrowest = std::min(narrowest, ratio),
    widest = std::max(widest, ratio);
  }
  CHECK(least > 0.078);
  CHECK(least < 0.09);
  CHECK(most > 0.95);
  CHECK(narrowest == doctest::Approx(0.75).epsilon(0.02));
  CHECK(widest == doctest::Approx(4 / 3.0).epsilon(0.02));
  RecordRandom random(1, 0, 0, 1);
  // no try fits: the middle
  CHECK(RandomResizedCrop{.smallest_area = 1.0}.draw({3, 10, 1000}, random) == Box{0, 493, 10, 13});
  CHECK(changed(Compose{RandomResizedCrop{20, 30}}, counting({3, 50, 40}), 0).shape == Shape{3, 20, 30});
  CHECK(changed(Compose{ResizeTo{5, 4}}, counting({3, 50, 40}), 0).shape == Shape{3, 5, 4});
  CHECK(changed(Compose{FitInput{{3, 20, 30}, 0.9}}, counting({3, 50, 40}), 0).shape == Shape{3, 20, 30});
}

TEST_CASE("pictures are made to cover an input of any proportions, and what cannot be is refused") {
  const Picture same = counting({3, 6, 9});
  CHECK(changed(Compose{FitInput{{3, 6, 9}}}, same, 0).numbers == same.numbers);
  // 12 x 9 to 6 x 9: as wide, the middle rows. 6 x 27: as high, the middle columns.
  const Picture high = counting({1, 12, 9}), wide = counting({1, 6, 27});
  CHECK(changed(Compose{FitInput{{1, 6, 9}}}, high, 0).numbers ==
        std::vector<float>(high.numbers.begin() + 27, high.numbers.begin() + 81));
  CHECK(changed(Compose{FitInput{{1, 6, 9}}}, wide, 0).numbers[0] == 10);
  for (const Shape shape : {Shape{3, 1, 500}, Shape{3, 333, 2}, Shape{3, 17, 13}})
    CHECK(changed(Compose{FitInput{{3, 20, 31}, 0.875}}, counting(shape), 0).shape == Shape{3, 20, 31});
  CHECK(says(error_of([] { (void)changed(Compose{ResizeAndCrop{4, 5, 5}}, counting({3, 8, 8}), 0); }),
             "8 x 8 becomes 4 x 4", "the middle 5 x 5"));
  CHECK(says(error_of([] { (void)changed(Compose{Channels{4}}, counting({3, 8, 8}), 0); }),
             "pictures of 3 channels cannot be given to a network that reads 4"));
}

TEST_CASE(
    "mixup mixes pictures and probabilities of neighbours by one share, drawn from a beta distribution") {
  double sum = 0, squares = 0;
  for (int number = 0; number < 2000; ++number) {
    Batch batch = batch_of(3, {1, 1, 2});
    Compose{Mixup{0.4}}.mix(batch, {1, 1, 2}, 3, 1, 0, number);
    const float share = batch.targets[0];
    CHECK(distance(batch.targets, {share, 0, 1 - share, 1 - share, share, 0, 0, 1 - share, share}) < 1e-6);
    const float first = share + 3 * (1 - share), second = 2 * share + 1 - share,
                third = 3 * share + 2 * (1 - share);
    CHECK(distance(batch.images, {first, first, second, second, third, third}) < 1e-6);
    sum += static_cast<double>(share);
    squares += static_cast<double>(share) * static_cast<double>(share);
  }
  const double mean = sum / 2000, variance = squares / 2000 - mean * mean;
  CHECK(mean == doctest::Approx(0.5).epsilon(0.05));
  CHECK(variance == doctest::Approx(1 / (4 * (2 * 0.4 + 1))).epsilon(0.08));  // of Beta(α, α)
}

TEST_CASE("cutmix takes a rectangle of the neighbour, and as much of its class") {
  int whole = 0;
  for (int number = 0; number < 300; ++number) {
    constexpr Shape shape{1, 6, 5};
    Batch batch = batch_of(4, shape);
    Compose{CutMix{}}.mix(batch, shape, 3, 1, 0, number);
    const auto of_neighbour = std::count(batch.images.begin() + 30, batch.images.begin() + 60, 1.0F);
    CHECK(std::count(batch.images.begin() + 30, batch.images.begin() + 60, 2.0F) == 30 - of_neighbour);
    CHECK(batch.targets[3] == doctest::Approx(static_cast<double>(of_neighbour) / 30));
    CHECK(batch.targets[4] == doctest::Approx(1 - static_cast<double>(of_neighbour) / 30));
    whole += of_neighbour == 0;
  }
  CHECK(whole < 150);
  int mixed = 0;
  for (int number = 0; number < 100;
       // a mixed picture has numbers of neither, one with a rectangle of its neighbour has no others
       ++number) {
    Batch batch = batch_of(2, {1, 6, 5});
    Compose{OneOf<Mixup, CutMix>{}}.mix(batch, {1, 6, 5}, 3, 1, 0, number);
    mixed +=
        std::any_of(batch.images.begin(), batch.images.end(), [](float x) { return x != 1.0F && x != 2.0F; });
  }
  CHECK(30 < mixed);
  CHECK(mixed < 70);
  Batch one = batch_of(1, {1, 2, 2});
  Compose{OneOf<Mixup, CutMix>{}}.mix(one, {1, 2, 2}, 3, 1, 0, 0);
  CHECK(one.targets == std::vector<float>{1, 0, 0});
  CHECK(one.images == std::vector<float>(4, 1.0F));
}

TEST_CASE(
    "a mixing step that is added when the program runs comes behind the others, and draws numbers of its own") {
  Batch batch = batch_of(3, {1, 1, 2}), same = batch, other = batch;
  const Transforms added = Transforms(Compose{HorizontalFlip{}}).then(Mixup{0.4});
  added.mix(batch, {1, 1, 2}, 3, 1, 0, 7);
  added.mix(same, {1, 1, 2}, 3, 1, 0, 7);
  added.mix(other, {1, 1, 2}, 3, 1, 0, 8);
  CHECK(batch.targets == same.targets);
  CHECK(batch.targets != other.targets);
  CHECK(batch.images[0] == doctest::Approx(batch.targets[0] + 3 * batch.targets[2]));
  Batch both = batch_of(3, {1, 1, 2}), first = both;
  Transforms(Compose{Mixup{2.0}}).then(Mixup{2.0}).mix(both, {1, 1, 2}, 3, 1, 0, 7);
  Transforms(Compose{Mixup{2.0}}).mix(first, {1, 1, 2}, 3, 1, 0, 7);
  // Twice the same share λ would leave λ² of each one's own class.
  const double once = static_cast<double>(first.targets[0]), twice = static_cast<double>(both.targets[0]);
  CHECK(std::abs(twice - once * once) > 1e-3);
}

TEST_CASE("steps with numbers that mean nothing are refused when they are put together") {
  constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
  constexpr int most = std::numeric_limits<int>::max();
  const auto refused = [](const auto& step, const char* sentence) {
    CAPTURE(sentence);
    CHECK(says(error_of([&] { static_cast<void>(Compose{step}); }), sentence));
  };
  refused(Shift{-1}, "Shift: pixels is -1, expected 0 to 32767");
  refused(Shift{most}, "Shift: pixels is ");
  refused(RandomCrop{0, 4}, "RandomCrop: height is 0, expected 1 to 32767");
  refused(ResizeTo{4, -1}, "ResizeTo: width is -1");
  refused(ResizeTo{most, most}, "ResizeTo: height is ");
  refused(ResizeAndCrop{0, 4, 4}, "ResizeAndCrop: shorter is 0");
  refused(FitInput{{3, 4, 4}, 0}, "FitInput: fraction is 0");
  refused(FitInput{{3, 4, 4}, not_a_number}, "FitInput: fraction is nan");
  refused(RandomResizedCrop{.height = 4, .width = 0}, "RandomResizedCrop: width is 0");
  refused(RandomResizedCrop{.smallest_area = 0.5, .largest_area = 0.4},
          "RandomResizedCrop: smallest_area is 0.5");
  refused(RandomResizedCrop{.narrowest = not_a_number}, "RandomResizedCrop: narrowest is nan");
  refused(HorizontalFlip{1.5}, "HorizontalFlip: probability is 1.5, expected 0 to 1");
  refused(Cutout{-2}, "Cutout: size is -2");
  refused(ColorJitter{.hue = 0.6}, "ColorJitter: hue is 0.6, expected 0 to 0.5");
  refused(ColorJitter{.contrast = -0.1}, "ColorJitter: contrast is -0.1");
  refused(Mixup{0}, "Mixup: alpha is 0");
  refused(CutMix{not_a_number}, "CutMix: alpha is nan");
  refused(OneOf<Mixup, CutMix>{Mixup{-1}, {}}, "Mixup: alpha is -1");
  CHECK(
      says(error_of([] { static_cast<void>(Transforms(Compose{}).then(Mixup{-1})); }), "Mixup: alpha is -1"));
  ResizeScratch scratch;
  Picture picture = counting({1, 4, 4});
  CHECK(says(error_of([&] { resize(picture, 0, 4, scratch); }), "expected 1 or more each way"));
}

}  // namespace sdepth::test::transforms_test
