// expect: a formula is computed for many numbers at once: write math::select(condition, a, b) where there would be an if or a ? :
// An activation with an `if`, in a program with the reference alone, which could compute it.
#include <sdepth/kernels/reference/reference.hpp>

using namespace sdepth;
struct LeakyWithIf : ActivationWord {
  static constexpr bool derivative_from_output = true;
  template <class V>
  static constexpr V forward(V x) {
#ifdef PASS
    return math::select(x > math::constant<V>(0.0), x, math::constant<V>(0.1) * x);
#else
    if (x > math::constant<V>(0.0)) return x;
    return math::constant<V>(0.1) * x;
#endif
  }
  template <class V>
  static constexpr V derivative(V y) {
    return math::select(y > math::constant<V>(0.0), math::constant<V>(1.0), math::constant<V>(0.1));
  }
};

template <class A>
void use(Reference::Context& context, const Source<float>& source) {
  Reference::finish<Shape{3, 2, 2}, A>(context, 1, source, {});
}
template void use<LeakyWithIf>(Reference::Context&, const Source<float>&);
