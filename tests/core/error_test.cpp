// Errors that a person sees.
#include <doctest/doctest.h>

#include <locale>
#include <string>

#include <sdepth/core/error.hpp>

namespace sdepth::test::error_test {

namespace {

TEST_CASE("fail writes its arguments one after the other into one sentence") {
  const std::string path = "data.bin";
  CHECK_THROWS_WITH_AS(sdepth::fail(path, " has ", 3, " bytes, expected ", 4.5),
                       "data.bin has 3 bytes, expected 4.5", sdepth::Error);
}

TEST_CASE("numbers in a sentence are the same whatever the program's locale does with them") {
  struct Dots : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
  };
  const std::locale before = std::locale::global(std::locale(std::locale::classic(), new Dots));
  CHECK_THROWS_WITH_AS(sdepth::fail("has ", 12'345'678, " bytes, not ", 0.5), "has 12345678 bytes, not 0.5",
                       sdepth::Error);
  std::locale::global(before);
}

TEST_CASE("an Error is caught as std::exception") { CHECK_THROWS_AS(sdepth::fail("no"), std::exception); }

}  // namespace

}  // namespace sdepth::test::error_test
