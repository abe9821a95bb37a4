// The folders that training programs write into: how a program is told of one, and that two hold the same
// run.
#pragma once

#include <doctest/doctest.h>

#include <filesystem>

#include "process.hpp"

namespace sdepth::test {

inline Words out(const std::filesystem::path& folder) { return {"--out", folder.string()}; }
inline Words resume(const std::filesystem::path& folder) { return {"--resume", folder.string()}; }

/// All that must be equal after equal runs.
inline void check_equal_runs(const std::filesystem::path& a, const std::filesystem::path& b) {
  for (const char* name : {"model.safetensors", "checkpoint.safetensors", "losses.csv", "gates.csv"}) {
    CAPTURE(name);
    CHECK(std::filesystem::exists(a / name));
    CHECK(bytes_of(a / name) == bytes_of(b / name));
  }
}

}  // namespace sdepth::test
