// expect: the loss's Targets hold floats, but its of_image takes a pointer to other numbers: write `const float* target`
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
  using Target = float;
#else
  using Target = double;
#endif
  template <class T>
  static constexpr double of_image(const Options&, int outputs, const T* x, const Target* target,
                                   double factor, T* gradient, bool&) {
    double sum = 0;
    for (int i = 0; i < outputs; ++i) {
      const double difference = static_cast<double>(x[i]) - static_cast<double>(target[i]);
      sum += difference < 0 ? -difference : difference;
      if (gradient) gradient[i] = static_cast<T>(factor * (difference > 0 ? 1 : difference < 0 ? -1 : 0));
    }
    return sum;
  }
};
using Net = Network<Input<3, 8, 8>, Conv<8>, BN, ReLU, GlobalAvgPool>;
using Training = Trainer<Net, Reference, AbsoluteError>;
static_assert(Training::classes == 8);
