// expect: call math::exp, not std::exp, and so on; see core/math.hpp
// A formula with the standard library's functions, which vectors and GPUs do not have.
#include <cmath>

#include <sdepth/net.hpp>

using namespace sdepth;
struct Decay {
  static constexpr std::string_view name = "Decay";
  struct Options {
    double learning_rate = 0.1;
  };
  static constexpr std::array<std::string_view, 0> state{};
  template <class Options, class Visit>
  static void each_option(Options& o, Visit visit) {
    visit("learning_rate", o.learning_rate);
  }
  static std::array<double, 1> factors(const Options& o) { return {o.learning_rate}; }
  template <class V>
  static constexpr void update(const std::array<V, 1>& factors, V& weight, V gradient, std::array<V, 0>&) {
#ifdef PASS
    weight = 2 * weight - factors[0] * gradient * math::exp(-weight) - weight * 1.0;
#else
    weight = weight - factors[0] * gradient * std::exp(-weight);
#endif
  }
};
using Net = Network<Input<3, 8, 8>, Conv<8>, BN, ReLU, GlobalAvgPool, Linear<10>>;
using Training = Trainer<Net, Reference, CrossEntropy, Decay>;
static_assert(Training::classes == 10);
