// The gates of one step: drawn from (seed, step), or given by the user and checked.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/core/exactly.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/schedule/gates.hpp>

namespace sdepth::inline SDEPTH_ISA::detail {

/// Throws Error where a network cannot train with these probabilities: a block outside StochasticDepth always
/// runs, and one of FixedGates as its type says. @param survival  [residual blocks]
template <class Net>
void check_survival_of(std::span<const double> survival) {
  constexpr auto blocks = static_cast<std::size_t>(Net::residual_blocks);
  check_survival(survival, blocks);
  for (std::size_t block = 0; block < blocks; ++block)
    if (survival[block] < 1 && !Net::stochastic[block])
      fail("survival table: block ", block, " stands outside StochasticDepth, expected 1, found ",
           survival[block]);
    else if (Net::fixed[block] && !exactly(survival[block], Net::survival[block]))
      fail("survival table: block ", block, " has a gate of FixedGates, expected ", Net::survival[block],
           ", found ", survival[block],
           "; to choose probabilities at run time use a schedule such as LinearDecay");
}

/// [residual blocks], or where images have gates of their own [residual blocks][N]: 1 open, 0 closed.
template <class Net>
class StepGates {
 public:
  static constexpr std::size_t blocks = static_cast<std::size_t>(Net::residual_blocks);

  /// @param batch  the largest batch, in images
  explicit StepGates(int batch)
      : gates_(blocks * (Net::per_sample ? static_cast<std::size_t>(batch) : 1)), open_(blocks) {}

  /// Draws those of a step of N images. @param survival  [residual blocks]
  void draw(std::uint64_t seed, std::uint64_t step, std::span<const double> survival, int images) {
    resize(images);
    if constexpr (Net::per_sample) {
      for (std::size_t block = 0; block < open_.size(); ++block)
        draw_row(seed, step, static_cast<int>(block), survival[block], of_block(block));
    } else {
      draw_gates(seed, step, survival, gates_);
    }
    count();
  }

  /// Takes given ones: [residual blocks], or where images have gates of their own [residual blocks][N].
  /// Throws Error where there are more or fewer, or one that is not the user's to choose has the other value.
  void take(std::span<const std::uint8_t> given, int images) {
    const bool each_image = Net::per_sample && given.size() == blocks * static_cast<std::size_t>(images);
    if (given.size() != blocks && !each_image)
      fail("gates: expected ", blocks, " of them, one for each residual block",
           Net::per_sample ? " or one for each of its images" : "", ", found ", given.size());
    const std::size_t per_block = each_image ? static_cast<std::size_t>(images) : 1;
    for (std::size_t i = 0; i < given.size(); ++i) {
      const std::size_t block = i / per_block;
      if (given[i] == 0 && !Net::stochastic[block])
        fail("gates: block ", block,
             " is closed but stands outside StochasticDepth, so it cannot be skipped");
      if (Net::fixed[block] && (given[i] != 0) != (Net::survival[block] > 0))
        fail(
            "gates: block ", block, " is ", Net::survival[block] > 0 ? "open" : "closed",
            " by its FixedGates, found the other; to choose gates at run time use a schedule such as LinearDecay");
    }
    resize(images);
    for (std::size_t block = 0; block < open_.size(); ++block)
      for (std::size_t n = 0; std::uint8_t& gate : of_block(block))
        gate = given[block * per_block + (each_image ? n++ : 0)] != 0;
    count();
  }

  [[nodiscard]] std::span<const std::uint8_t> all() const noexcept {
    return std::span(gates_).first(open_.size() * per_block_);
  }
  /// Whether each block runs for any image, [residual blocks].
  [[nodiscard]] std::span<const std::uint8_t> open_blocks() const noexcept { return open_; }
  [[nodiscard]] int blocks_run() const noexcept {
    return static_cast<int>(std::count(open_.begin(), open_.end(), std::uint8_t{1}));
  }
  /// For how many of the N images a block runs. @pre  images have gates of their own
  [[nodiscard]] std::size_t survivors(std::size_t block) const noexcept {
    return static_cast<std::size_t>(
        std::ranges::count(all().subspan(block * per_block_, per_block_), std::uint8_t{1}));
  }
  /// The N of this step.
  [[nodiscard]] int images() const noexcept { return images_; }
  /// Residual branches over images.
  [[nodiscard]] std::int64_t branches_run() const noexcept { return branches_run_; }

 private:
  static void draw_row(std::uint64_t seed, std::uint64_t step, int block, double survival,
                       std::span<std::uint8_t> row) {
    const Gating gating = Net::gating[static_cast<std::size_t>(block)];
    if (gating == Gating::per_sample)
      draw_image_gates(seed, step, block, survival, row);
    else if (gating == Gating::per_sample_exact)
      draw_exact_image_gates(seed, step, block, survival, row);
    else
      std::fill(row.begin(), row.end(), std::uint8_t{gate_open(seed, step, block, survival)});
  }
  void resize(int images) {
    images_ = images;
    per_block_ = Net::per_sample ? static_cast<std::size_t>(images) : 1;
  }
  [[nodiscard]] std::span<std::uint8_t> of_block(std::size_t block) noexcept {
    return std::span(gates_).subspan(block * per_block_, per_block_);
  }
  void count() {
    branches_run_ = 0;
    for (std::size_t block = 0; block < open_.size(); ++block) {
      const std::span<const std::uint8_t> row = of_block(block);
      const auto open = std::count(row.begin(), row.end(), std::uint8_t{1});
      open_[block] = open > 0;
      branches_run_ += Net::per_sample ? open : open * images_;
    }
  }

  std::vector<std::uint8_t> gates_;
  std::vector<std::uint8_t> open_;  // [residual blocks]
  std::size_t per_block_ = 1;
  int images_ = 0;
  std::int64_t branches_run_ = 0;
};

}  // namespace sdepth::inline SDEPTH_ISA::detail
