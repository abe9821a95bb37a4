// One program may hold the library twice, compiled for an old processor and for a newer one. The two units
// share no function of it: the linker would keep one of two, and an old processor would be given instructions
// that it does not have.
#include <doctest/doctest.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <string>
#include <string_view>

#include "disassembly.hpp"

using namespace sdepth::test;

namespace {

const std::string old_unit = SDEPTH_ISA_V2, new_unit = SDEPTH_ISA_V3;

/// Symbols that other units may define, too: "0000000000000000 W _ZN…".
std::set<std::string> shareable_in(const std::string& object) {
  std::set<std::string> names;
  for (const std::string& line : lines_of("LC_ALL=C '" SDEPTH_NM "' --defined-only '" + object + "'"))
    for (const char* kind : {" W ", " V ", " u "})
      if (const std::size_t at = line.find(kind); at != std::string::npos) names.insert(line.substr(at + 3));
  return names;
}

/// An instruction of AVX or later: its name begins with v, or it works on a register that SSE does not have.
bool needs_avx(std::string_view instruction) {
  const bool named =
      instruction.starts_with('v') && !instruction.starts_with("verr") && !instruction.starts_with("verw");
  return named || instruction.find("%ymm") != std::string_view::npos ||
         instruction.find("%zmm") != std::string_view::npos;
}

std::set<std::string> functions_that_need_avx(const std::string& object) {
  std::set<std::string> names;
  std::string name;
  for (const std::string& line :
       lines_of("LC_ALL=C '" SDEPTH_OBJDUMP "' -d --no-show-raw-insn '" + object + "'")) {
    if (line.ends_with(">:"))
      name = line.substr(line.find('<') + 1, line.size() - 3 - line.find('<'));
    else if (const std::size_t tab = line.find('\t');
             tab != std::string::npos && needs_avx(std::string_view(line).substr(tab + 1)))
      names.insert(name);
  }
  return names;
}

std::set<std::string> in_both(const std::set<std::string>& a, const std::set<std::string>& b) {
  std::set<std::string> both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::inserter(both, both.end()));
  return both;
}

/// Those with a name of the library's in them: its functions, and the standard library's for its types.
std::set<std::string> ours(std::set<std::string> names) {
  std::erase_if(names, [](const std::string& name) { return name.find("6sdepth") == std::string::npos; });
  return names;
}

bool contain(const std::set<std::string>& names, std::string_view part) {
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return name.find(part) != std::string::npos; });
}

}  // namespace

TEST_CASE("two units for two kinds of processors have no symbol of the library's in common") {
  const std::set<std::string> before = shareable_in(old_unit), after = shareable_in(new_unit),
                              avx = functions_that_need_avx(new_unit);
  CHECK(in_both(ours(before), ours(after)) == std::set<std::string>{});
  CHECK(functions_that_need_avx(old_unit) == std::set<std::string>{});

  // There is much to share, the newer one does need AVX, and a function outside of the library that the two
  // share is seen.
  CHECK(ours(before).size() > 50);
  CHECK(ours(in_both(after, avx)).size() > 20);
  CHECK(contain(in_both(in_both(before, after), avx), "PlantedNumbers"));
}
