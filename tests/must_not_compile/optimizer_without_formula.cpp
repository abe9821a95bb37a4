// expect: an optimizer has one formula for every number type V
#include <sdepth/net.hpp>

using namespace sdepth;
struct Descent {
  static constexpr std::string_view name = "Descent";
  struct Options {
    double learning_rate = 0.1;
  };
  static constexpr std::array<std::string_view, 0> state{};
  template <class Options, class Visit>
  static void each_option(Options& o, Visit visit) {
    visit("learning_rate", o.learning_rate);
  }
  static std::array<double, 1> factors(const Options& o) { return {o.learning_rate}; }
#ifdef PASS
  template <class V>
  static constexpr void update(const std::array<V, 1>& factors, V& weight, V gradient, std::array<V, 0>&) {
    weight = weight - factors[0] * gradient;
  }
#endif
};
using Net = Network<Input<3, 8, 8>, Conv<8>, BN, ReLU, GlobalAvgPool, Linear<10>>;
using Training = Trainer<Net, Reference, CrossEntropy, Descent>;
static_assert(Training::classes == 10);
