// A row of residual blocks in training: a loop over records, one instantiation for any depth.
//
// Where the gates are compile-time constants (FixedGates), a closed block is not there and an open one does
// not ask.
#pragma once

#include <array>
#include <cstddef>
#include <type_traits>

#include <sdepth/run/block.hpp>
#include <sdepth/run/gathered_block.hpp>
#include <sdepth/run/per_sample.hpp>

namespace sdepth::inline SDEPTH_ISA::detail {

/// Whether block `i` of a row with FixedGates is open.
template <class Blocks>
[[nodiscard]] constexpr bool open_by_type(int i) noexcept {
  return Blocks::Schedule::open(Blocks::stochastic_before + i + 1);
}

/// The blocks of a row that have a record, rising: all but those that FixedGates closes where the shortcut is
/// the input itself.
template <class Blocks>
inline constexpr auto blocks_with_record = [] {
  constexpr auto has_record = [](int i) {
    if constexpr (is_fixed_gates<typename Blocks::Schedule> && Blocks::identity)
      return open_by_type<Blocks>(i);
    return true;
  };
  constexpr std::size_t count = [has_record] {
    std::size_t sum = 0;
    for (int i = 0; i < Blocks::blocks; ++i) sum += has_record(i);
    return sum;
  }();
  std::array<int, count> places{};
  for (int i = 0, next = 0; i < Blocks::blocks; ++i)
    if (has_record(i)) places[static_cast<std::size_t>(next++)] = i;
  return places;
}();

template <class Backend, class Block, class Schedule, Gating Gates, int Count, int Before, Shape In,
          class Pending>
struct TrainingStage<Backend, ResidualRow<Block, Schedule, Gates, Count, Before, In, Pending>, false> {
  using Blocks = ResidualRow<Block, Schedule, Gates, Count, Before, In, Pending>;
  using OfImages = std::conditional_t<Backend::addressable, PerSampleBlock<Backend, Blocks>,
                                      GatheredBlock<Backend, Blocks>>;
  using One = std::conditional_t<Gates == Gating::per_batch, TrainingBlock<Backend, Blocks>, OfImages>;
  static constexpr bool fixed = is_fixed_gates<Schedule>;
  static constexpr auto places = blocks_with_record<Blocks>;
  using Record = std::array<typename One::Record, places.size()>;

  [[nodiscard]] static constexpr Offsets offset(Offsets at, int i) noexcept {
    constexpr ParameterSizes one = Blocks::block_sizes(Backend::lanes);
    constexpr std::size_t kept = Blocks::block_activations(Backend::lanes).kept;
    const auto before = static_cast<std::size_t>(i);
    return {at.trainable + before * one.trainable, at.running + before * one.running, at.block + i,
            at.activations + before * kept, at.stages + i};
  }
  static void forward(Pass<Backend>& pass, Offsets at, Record& record, ValueOf<Backend>& value) {
    if constexpr (!places.empty())
      for (std::size_t i = 0; i < places.size(); ++i) {
        pass.place(offset(at, places[i]));
        if constexpr (!fixed)
          One::forward(pass, offset(at, places[i]), record[i], value);
        else if constexpr (open_by_type<Blocks>(places[0]))
          One::forward_open(pass, offset(at, places[i]), record[i], value);
        else
          One::forward_closed(pass, offset(at, places[i]), record[i], value);
      }
  }
  static void backward(Pass<Backend>& pass, Offsets at, Record& record, FlowOf<Backend>& flow) {
    if constexpr (!places.empty())
      for (std::size_t i = places.size(); i-- > 0;) {
        pass.begin_rounding(offset(at, places[i]), true);
        if constexpr (!fixed)
          One::backward(pass, offset(at, places[i]), record[i], flow);
        else if constexpr (open_by_type<Blocks>(places[0]))
          One::backward_open(pass, offset(at, places[i]), record[i], flow);
        else
          One::backward_closed(pass, offset(at, places[i]), record[i], flow);
        pass.gradients_are_final(offset(at, places[i]).trainable,
                                 Blocks::block_sizes(Backend::lanes).trainable);
      }
  }
};

}  // namespace sdepth::inline SDEPTH_ISA::detail
