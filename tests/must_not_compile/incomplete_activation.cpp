// expect: not an Activation: the struct lacks its base; write `struct Name : sdepth::ActivationWord`
// expect: not an Activation: the struct lacks `static constexpr bool derivative_from_output`
// expect: not an Activation: the struct lacks `template <class V> static constexpr V forward(V x)`
// expect: not an Activation: the struct lacks `template <class V> static constexpr V derivative(V number)`
// Activations of which something is missing or has another name, in a network and in a branch: each is named once, and called no layer besides.
#include <sdepth/net.hpp>

using namespace sdepth;
template <class Base>
struct Whole : Base {
  static constexpr bool derivative_from_output = false;
  template <class V>
  static constexpr V forward(V x) {
    return x;
  }
  template <class V>
  static constexpr V derivative(V) {
    return math::constant<V>(1.0);
  }
};
struct Empty {};
struct ForwardAlone : ActivationWord {
  static constexpr bool derivative_from_output = false;
  template <class V>
  static constexpr V forward(V x) {
    return x;
  }
};
struct OtherNames : ActivationWord {
  static constexpr bool derivative_from_output = false;
  template <class V>
  static constexpr V value(V x) {
    return x;
  }
};
struct NothingSaid : ActivationWord {};
#ifdef PASS
template <class>
using Meant = Whole<ActivationWord>;
#else
template <class Wrong>
using Meant = Wrong;
#endif
template <class A>
using Net = Network<Input<3, 8, 8>, Conv<8>, BN, Meant<A>, GlobalAvgPool, Linear<10>>;
template <class A>
using Branch = Network<Input<3, 8, 8>, Conv<8>, BN, ReLU, Repeat<2, Residual<Conv<8>, BN, Meant<A>, Conv<8>>>,
                       GlobalAvgPool, Linear<10>>;
static_assert(Net<Whole<Empty>>::residual_blocks == 0 && Net<NothingSaid>::residual_blocks == 0);
static_assert(Net<OtherNames>::residual_blocks == 0 && Branch<OtherNames>::residual_blocks == 2);
static_assert(Branch<ForwardAlone>::residual_blocks == 2 && Net<ForwardAlone>::residual_blocks == 0);
