// What types are called in texts.
#include <doctest/doctest.h>

#include <sdepth/core/spelling.hpp>

namespace of_a_user {
struct Mish {};
template <class, auto>
struct Holder {};
}  // namespace of_a_user

namespace sdepth::test::spelling_test {
namespace {

TEST_CASE("a type is spelled whole, whatever stands in its arguments") {
  static_assert(compilers_spelling<int>() == "int");
  static_assert(compilers_spelling<of_a_user::Mish>() == "of_a_user::Mish");
  const std::string_view text = compilers_spelling<of_a_user::Holder<int[3], ';'>>();
  CHECK(text.starts_with("of_a_user::Holder<int"));
  CHECK(text.ends_with("';'>"));
}

TEST_CASE("the text of a type tells it from others") {
  CHECK(text_of_type<of_a_user::Mish>() != text_of_type<int>());
  CHECK(text_of_type<int>().find("= int]") != std::string_view::npos);
}

}  // namespace

}  // namespace sdepth::test::spelling_test
