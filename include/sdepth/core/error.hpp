// Errors that a person sees: one sentence with what was expected, what was found, where, and what to do.
#pragma once

#include <locale>
#include <sstream>
#include <stdexcept>

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Bad input, a full disk, a number out of range: what() is one sentence meant to be printed as it is.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A sentence in the making. Compiled once, since there are hundreds of sentences. Numbers in it are written
/// as everywhere else here, whatever locale the program has.
struct Sentence {
  std::ostringstream text;
  [[gnu::noinline]] Sentence() { text.imbue(std::locale::classic()); }
  [[gnu::noinline]] ~Sentence() {}
  [[noreturn, gnu::noinline]] void raise() const { throw Error(text.str()); }
};

/// Throws Error with its arguments written one after the other: `fail(path, " has ", n, " bytes, expected ",
/// m)`.
template <class... Parts>
[[noreturn, gnu::cold, gnu::noinline]] void fail(const Parts&... parts) {
  Sentence sentence;
  (sentence.text << ... << parts);
  sentence.raise();
}

/// Throws Error unless the number of images, threads, … is at least 1. @return  the number, so that a member
/// can be made of it
inline int check_at_least_one(const char* where, const char* what, int number) {
  if (number < 1) fail(where, ": ", what, " is ", number, ", expected at least 1");
  return number;
}

}  // namespace sdepth::inline SDEPTH_ISA
