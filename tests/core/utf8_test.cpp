// Which bytes are UTF-8, and what is shown of others.
#include <doctest/doctest.h>

#include <string>

#include <nlohmann/json.hpp>

#include <sdepth/core/utf8.hpp>

namespace sdepth::test::utf8_test {

TEST_CASE("text that is UTF-8 is shown as it is, and other bytes as replacement characters") {
  for (const std::string text :
       {"", "caf\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xF4\x8F\xBF\xBF", "a\tb\n"}) {
    CHECK(is_utf8(text));
    CHECK(shown_as_utf8(text) == text);
  }
  const std::string bad = "\xEF\xBF\xBD";
  CHECK(shown_as_utf8("caf\xE9") == "caf" + bad);
  CHECK(shown_as_utf8("\xE9t\xE9") == bad + "t" + bad);
  CHECK(shown_as_utf8("\xC3\xA9\xC3") == "\xC3\xA9" + bad);
  CHECK(shown_as_utf8("a\x01\x7F") == "a" + bad + bad);
}

TEST_CASE("UTF-8 is what the JSON library takes for it, for every beginning of a character") {
  const auto agrees = [](const std::string& text) {
    bool taken = true;
    try {
      static_cast<void>(nlohmann::json(text).dump());
    } catch (const nlohmann::json::type_error&) {
      taken = false;
    }
    return is_utf8(text) == taken;
  };
  std::string text(4, ' ');
  for (int first = 0x80; first < 0x100; ++first)
    for (int second = 0x7F; second < 0xC1; ++second)
      for (const int third : {0x7F, 0x80, 0xBF, 0xC0}) {
        text[0] = static_cast<char>(first), text[1] = static_cast<char>(second),
        text[2] = static_cast<char>(third), text[3] = '\x80';
        for (std::size_t length = 1; length <= 4; ++length)
          if (!agrees(text.substr(0, length))) FAIL("bytes ", first, " ", second, " ", third, " of ", length);
      }
}

}  // namespace sdepth::test::utf8_test
