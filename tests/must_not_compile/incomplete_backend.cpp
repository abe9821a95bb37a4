// expect: a backend needs the types Scalar, Stored, Context, Memory<T>, Storage<T> and ActivationArena
// expect: a backend needs conv_backward<ConvShape, Activation>(context, batch, gradient, source, weights
#include <sdepth/kernels/backend.hpp>
#include <sdepth/kernels/reference/reference.hpp>

using namespace sdepth;
#ifdef PASS
struct Nothing : Reference {};
struct Forward : Reference {};
#else
struct Nothing {};
struct Forward : Reference {
  static void conv_backward() {}  // with other parameters
};
#endif
static_assert(CheckedBackend<Nothing>::said && CheckedBackend<Forward>::said);
