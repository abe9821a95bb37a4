// expect: a loss has one formula for one image
#include <sdepth/net.hpp>

using namespace sdepth;
struct AbsoluteError {
  static constexpr std::string_view name = "AbsoluteError";
  static constexpr bool needs_classifier = false;
  struct Options {
    friend bool operator==(const Options&, const Options&) = default;
  };
  using Targets = std::span<const float>;
  static void check(Targets targets, int images, int outputs) {
    check_numbers(name, targets, images, outputs);
  }
#ifdef PASS
  template <class T>
  static constexpr double of_image(const Options&, int outputs, const T* x, const float* target,
                                   double factor, T* gradient, bool&) {
    double sum = 0;
    for (int i = 0; i < outputs; ++i) {
      const double difference = static_cast<double>(x[i]) - static_cast<double>(target[i]);
      sum += difference < 0 ? -difference : difference;
      if (gradient) gradient[i] = static_cast<T>(factor * (difference > 0 ? 1 : difference < 0 ? -1 : 0));
    }
    return sum;
  }
#endif
};
using Net = Network<Input<3, 8, 8>, Conv<8>, BN, ReLU, GlobalAvgPool>;
using Training = Trainer<Net, Reference, AbsoluteError>;
static_assert(Training::classes == 8);
