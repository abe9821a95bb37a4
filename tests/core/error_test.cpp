// Errors that a person sees.
#include <doctest/doctest.h>

#include <string>

#include <sdepth/core/error.hpp>

namespace {

TEST_CASE("fail writes its arguments one after the other into one sentence") {
  const std::string path = "data.bin";
  CHECK_THROWS_WITH_AS(sdepth::fail(path, " has ", 3, " bytes, expected ", 4.5),
                       "data.bin has 3 bytes, expected 4.5", sdepth::Error);
}

TEST_CASE("an Error is caught as std::exception") { CHECK_THROWS_AS(sdepth::fail("no"), std::exception); }

}  // namespace
