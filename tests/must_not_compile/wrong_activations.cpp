// expect: an activation is a struct derived from ActivationWord with derivative_from_output and two constexpr templates
// expect: an activation must be 0 at 0: otherwise the padding behind a tensor's channels would not stay zero
#include <sdepth/kernels/reference/reference.hpp>

using namespace sdepth;
struct WithoutDerivative : ActivationWord {
  static constexpr bool derivative_from_output = true;
  template <class V>
  static constexpr V forward(V x) {
    return x;
  }
#ifdef PASS
  template <class V>
  static constexpr V derivative(V) {
    return math::constant<V>(1.0);
  }
#endif
};
struct Sigmoid : ActivationWord {
  static constexpr bool derivative_from_output = true;
  template <class V>
  static constexpr V forward(V x) {
    const V one = math::constant<V>(1.0), y = one / (one + math::exp(-x));
#ifdef PASS
    return y - math::constant<V>(0.5);
#else
    return y;
#endif
  }
  template <class V>
  static constexpr V derivative(V y) {
    return y * (math::constant<V>(1.0) - y);
  }
};

template <class A>
void use(Reference::Context& context, const Source<float>& source) {
  Reference::finish<Shape{3, 2, 2}, A>(context, 1, source, {});
}
template void use<WithoutDerivative>(Reference::Context&, const Source<float>&);
template void use<Sigmoid>(Reference::Context&, const Source<float>&);
