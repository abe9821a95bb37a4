// CLI11, and what it needs in somebody else's program: names that are no macros, and numbers with a point.
#pragma once

#include <locale.h>

// Names of CLI11's that are macros after <complex.h> and X11's headers.
#pragma push_macro("I")
#undef I
#pragma push_macro("Success")
#undef Success
#pragma push_macro("True")
#undef True
#pragma push_macro("index")
#undef index
#include <CLI/CLI.hpp>
#pragma pop_macro("I")
#pragma pop_macro("Success")
#pragma pop_macro("True")
#pragma pop_macro("index")

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// Numbers have a point while it lives, as in C's own locale; CLI11 reads them by strtold, for which a
/// program that calls setlocale may have made it a comma. Of this thread alone.
class DecimalPoints {
 public:
  DecimalPoints() : plain_(::newlocale(LC_NUMERIC_MASK, "C", nullptr)) {
    if (plain_) before_ = ::uselocale(plain_);
  }
  DecimalPoints(const DecimalPoints&) = delete;
  DecimalPoints& operator=(const DecimalPoints&) = delete;
  ~DecimalPoints() {
    if (!plain_) return;
    ::uselocale(before_);
    ::freelocale(plain_);
  }

 private:
  locale_t plain_, before_ = nullptr;
};

}  // namespace sdepth::inline SDEPTH_ISA::program
