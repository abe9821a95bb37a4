// How the compiler spells a type, for texts that name it. Programs compiled without typeid need it, too.
#pragma once

#include <string_view>

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// The name of a function of the type: "constexpr auto sdepth::avx2_fma::text_of_type() [with T = ReLU]" of
/// g++, "auto sdepth::text_of_type() [T = sdepth::ReLU]" of clang.
template <class T>
[[nodiscard]] constexpr auto
text_of_type() noexcept {  // auto: g++ would explain another type's name behind T's
  return std::string_view(__PRETTY_FUNCTION__);
}

/// "ReLU" or "sdepth::ReLU", "of_a_user::Mish".
template <class T>
[[nodiscard]] constexpr std::string_view compilers_spelling() noexcept {
  std::string_view text = text_of_type<T>();
  text.remove_prefix(text.find("T = ") + 4);
  return text.substr(0, text.size() - 1);
}

}  // namespace sdepth::inline SDEPTH_ISA
