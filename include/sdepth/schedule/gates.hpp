// Gates b_l: which blocks run in a step, as a pure function of (seed, step, block), or (seed, step, block,
// image), the same on every thread, worker and backend.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/core/philox.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// b ~ Bernoulli(survival): open where 32 random bits, read as a number in [0, 1), lie below the survival
/// probability. 1 is always open, 0 never.
/// @param block  0-based index of the residual block in the network.
[[nodiscard]] constexpr bool gate_open(std::uint64_t seed, std::uint64_t step, int block,
                                       double survival) noexcept {
  return uniform(random_words(seed, Purpose::gate, step, static_cast<std::uint32_t>(block))[0]) < survival;
}

/// Draws the gates of one step. @param gates  [blocks], 1 open, 0 closed.
inline void draw_gates(std::uint64_t seed, std::uint64_t step, std::span<const double> survival,
                       std::span<std::uint8_t> gates) {
  for (std::size_t block = 0; block < gates.size(); ++block)
    gates[block] = gate_open(seed, step, static_cast<int>(block), survival[block]);
}

/// Calls body(image, number in [0, 1)) for each image of a batch; 0 ≤ block, images/4 < 65,536. One call of
/// the generator serves four images.
template <class Body>
void for_each_image_number(std::uint64_t seed, std::uint64_t step, int block, std::size_t images,
                           const Body& body) {
  for (std::size_t n = 0; n < images; n += 4) {
    const auto words =
        random_words(seed, Purpose::image_gate, step,
                     static_cast<std::uint32_t>(block) << 16 | static_cast<std::uint32_t>(n / 4));
    for (std::size_t i = 0; i < 4 && n + i < images; ++i) body(n + i, uniform(words[i]));
  }
}

/// b_n ~ Bernoulli(survival) for each image of a batch. @param gates  [N]
inline void draw_image_gates(std::uint64_t seed, std::uint64_t step, int block, double survival,
                             std::span<std::uint8_t> gates) {
  for_each_image_number(seed, step, block, gates.size(),
                        [&](std::size_t n, double number) { gates[n] = number < survival; });
}

/// How many of `images` survive where their number is exact: survival · images, rounded, but not none where
/// the block may survive. What rounding changes, exact_branch_scale makes up for.
[[nodiscard]] constexpr std::size_t survivor_count(double survival, std::size_t images) noexcept {
  const auto count = static_cast<std::size_t>(survival * static_cast<double>(images) + 0.5);
  return count == 0 && survival > 0 && images > 0 ? 1 : count;
}

/// survivor_count of the images, every subset of that size equally likely. @param gates  [N]
/// Source: selection sampling, Knuth, The Art of Computer Programming, vol. 2, algorithm S.
inline void draw_exact_image_gates(std::uint64_t seed, std::uint64_t step, int block, double survival,
                                   std::span<std::uint8_t> gates) {
  std::size_t wanted = survivor_count(survival, gates.size());
  for_each_image_number(seed, step, block, gates.size(), [&](std::size_t n, double number) {
    gates[n] = number * static_cast<double>(gates.size() - n) < static_cast<double>(wanted);
    wanted -= gates[n];
  });
}

/// Throws Error unless `survival` has one probability in [0, 1] for each of the network's blocks.
inline void check_survival(std::span<const double> survival, std::size_t blocks) {
  if (survival.size() != blocks)
    fail("survival table: expected ", blocks, " probabilities, one for each residual block, found ",
         survival.size());
  for (std::size_t block = 0; block < blocks; ++block)
    if (!(0.0 <= survival[block] && survival[block] <= 1.0))
      fail("survival table: block ", block, " has probability ", survival[block],
           ", expected a number in [0, 1]");
}

/// A survival table in memory of its own. Number by number: with AVX-512, g++ 12 copies {1, 1, 0, 0} as {1,
/// 1, 1, 1} where it copies a small constant table in pieces of 32 bytes.
[[nodiscard]] inline std::vector<double> survival_vector(std::span<const double> table) {
  std::vector<double> copy;
  copy.reserve(table.size());
  for (const double p : table) copy.push_back(p);
  return copy;
}

}  // namespace sdepth::inline SDEPTH_ISA
