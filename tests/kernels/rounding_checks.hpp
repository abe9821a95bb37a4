// Whether two backends' kernels round what they store by the same random bits.
#pragma once

#include <cstddef>

#include "backends.hpp"

namespace sdepth::test {

/// While it lives, the cases' kernels round stochastically.
struct Stochastically {
  Stochastically() { rounds_stochastically = true; }
  ~Stochastically() { rounds_stochastically = false; }
};

/// Random bits are the same, so that stored numbers differ only where a sum that was taken in another order
/// crosses the point at which they carry: one in a thousand. With other bits every third would. Sums of such
/// numbers are near.
inline void check_same_rounding(const Results& found, const Results& expected) {
  for (const auto& [name, values] : expected) {
    CAPTURE(name);
    REQUIRE(found.at(name).size() == values.size());
    if (name == "out" || name == "finished" || name == "dx") {
      std::size_t others = 0;
      for (std::size_t i = 0; i < values.size(); ++i) others += found.at(name)[i] != values[i];
      CHECK(others <= 1 + values.size() / 200);
    } else {
      CHECK(relative_error(found.at(name), values) <= 2e-3);
    }
  }
}
/// And that it is not to nearest.
inline void check_rounding(const Results& found, const Results& expected, const Results& nearest) {
  check_same_rounding(found, expected);
  for (const auto& [name, values] : nearest) {
    if (name != "out" && name != "finished" && name != "dx") continue;
    CAPTURE(name);
    std::size_t others = 0;
    for (std::size_t i = 0; i < values.size(); ++i) others += found.at(name)[i] != values[i];
    CHECK(others >= values.size() / 10);
  }
}

}  // namespace sdepth::test
