// What one of several processes reads of a batch, and how they tell each other which records are left out of
// it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <sdepth/core/batch_share.hpp>
#include <sdepth/core/communicator.hpp>

namespace sdepth::inline SDEPTH_ISA::detail {

/// The rows of a batch that a process reads: its share, behind the records that this is mixed with; or all of
/// them.
struct BatchRows {
  int whole = 0;  // records of the batch
  int first = 0;  // that is read; the batch's first follows its last
  int count = 0;
  Range own;  // the share, among those

  /// @param reach  with how many records before it one is mixed at most
  [[nodiscard]] static constexpr BatchRows of(int whole, const BatchShare& share, int reach) noexcept {
    const Range mine = share.images_of(whole);
    const int size = mine.size();
    if (size == 0) return {whole, 0, 0, {}};
    if (reach >= whole - size) return {whole, 0, whole, mine};
    return {whole, (mine.first - reach + whole) % whole, size + reach, {reach, size + reach}};
  }
  /// Which record of the batch is read as number i.
  [[nodiscard]] constexpr int at(int i) const noexcept { return (first + i) % whole; }
};

/// A mark for each record of a batch, from each process those of its share. @param mine  begins with those of
/// the share
[[nodiscard]] inline std::vector<std::uint8_t> told_to_all(std::span<const std::uint8_t> mine, int whole,
                                                           const BatchShare& share, Communicator& others) {
  std::vector<std::uint8_t> all(static_cast<std::size_t>(whole));
  const Range own = share.images_of(whole);
  std::copy_n(mine.begin(), own.size(), all.begin() + own.first);
  std::vector<std::size_t> sizes;
  for (int rank = 0; rank < share.ranks; ++rank)
    sizes.push_back(static_cast<std::size_t>(share.images_of_rank(whole, rank).size()));
  others.gather(all.data(), sizes);
  return all;
}

}  // namespace sdepth::inline SDEPTH_ISA::detail
