// A program with two exported networks in it, the whole one and the shorter one. Behind their construction it
// predicts without a file, an allocation or an exception, and without iostream: each of these ends it. Prints
// size and error of both.
#include "whole.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <vector>

#include <sys/resource.h>

#include "expected.hpp"
#include "shorter.hpp"

#if defined(_GLIBCXX_IOSTREAM)
#error "the exported header or net.hpp includes <iostream>"
#endif

#if defined(__SANITIZE_ADDRESS__)
#define COUNTS_ALLOCATIONS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COUNTS_ALLOCATIONS 0
#endif
#endif

namespace {

bool constructed = false;

[[noreturn]] void refuse(const char* what) {
  std::fputs(what, stderr);
  std::_Exit(1);
}

}  // namespace

// An exception is an allocation, too.
#if !defined(COUNTS_ALLOCATIONS) && defined(__GLIBC__)
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void* malloc(std::size_t size) {
  if (constructed) refuse("an allocation behind construction\n");
  return __libc_malloc(size);
}
void* aligned_alloc(std::size_t boundary, std::size_t size) {
  if (constructed) refuse("an allocation behind construction\n");
  return __libc_memalign(boundary, size);
}
}
#endif

namespace {

/// By the largest logit.
template <class Predictor>
double largest_error(Predictor& network, const float* expected, std::size_t classes) {
  constexpr std::size_t picture = whole::Net::input.size(),
                        count = sizeof(expected::images) / sizeof(float) / picture;
  float logits[8];
  double largest = 0, size = 0;
  for (std::size_t n = 0; n < count; ++n) {
    network.predict(sdepth::NHWC<float>{{expected::images + n * picture, picture}}, {logits, classes});
    for (std::size_t c = 0; c < classes; ++c) {
      const auto logit = static_cast<double>(expected[n * classes + c]);
      largest = std::fmax(largest, std::fabs(static_cast<double>(logits[c]) - logit));
      size = std::fmax(size, std::fabs(logit));
    }
  }
  return largest / size;
}

/// Of the pixels 0, 1, 2, …, which go round at 255.
bool normalizes(void (*normalize)(std::span<const unsigned char, whole::Net::input.size()>,
                                  std::span<float, whole::Net::input.size()>) noexcept,
                const float* expected) {
  static std::array<unsigned char, whole::Net::input.size()> pixels;
  static std::array<float, whole::Net::input.size()> image;
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<unsigned char>(i);
  normalize(pixels, image);
  for (std::size_t i = 0; i < pixels.size(); ++i)
    if (image[i] != expected[i]) return false;
  return true;
}

}  // namespace

int main() {
  static_assert(whole::Net::residual_blocks == 7 && shorter::Net::residual_blocks == 4 &&
                shorter::Net::closed_blocks == 2);
  static_assert(shorter::numbers.size() < whole::numbers.size() / 4);
  auto network = whole::inference();
  auto short_network = shorter::inference();
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  const rlimit none{0, files.rlim_max};
  setrlimit(RLIMIT_NOFILE, &none);  // no file can be opened
  constructed = true;
  const double error = largest_error(network, expected::whole, whole::classes),
               short_error = largest_error(short_network, expected::shorter, shorter::classes);
  const bool normalized = normalizes(whole::normalize, expected::whole_normalized) &&
                          normalizes(shorter::normalize, expected::shorter_normalized);
  constructed = false;
  setrlimit(RLIMIT_NOFILE, &files);
  std::printf("7 blocks: %zu bytes of weights, largest error %.1e\n", sizeof(whole::numbers), error);
  std::printf("2 blocks: %zu bytes of weights, largest error %.1e\n", sizeof(shorter::numbers), short_error);
  if (!normalized) std::printf("normalize gives other numbers than those of training\n");
  return error < 1e-5 && short_error < 1e-5 && normalized ? 0 : 1;
}
