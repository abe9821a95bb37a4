// Where the files lie that tests read.
#pragma once

#include <cstdlib>
#include <string>

namespace sdepth::test {

/// The folder tests/: that of the sources, or where a program was carried to another machine the one that its
/// environment names by SDEPTH_TESTS_DIR.
[[nodiscard]] inline std::string tests_folder() {
  const char* const elsewhere = std::getenv("SDEPTH_TESTS_DIR");
  return elsewhere ? elsewhere : SDEPTH_TESTS_DIR;
}

}  // namespace sdepth::test
