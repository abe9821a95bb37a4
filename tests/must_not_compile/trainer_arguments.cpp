// expect: Trainer<Net, Backend, Loss, Optimizer>: the first argument must be a network
// expect: Trainer<Net, Backend, Loss, Optimizer>: the second argument must be a backend, such as Cpu<>
// expect: Trainer<Net, Backend, Loss, Optimizer>: the third argument must be a loss, such as CrossEntropy; an optimizer is the fourth
// expect: Trainer<Net, Backend, Loss, Optimizer>: the fourth argument must be an optimizer, such as SGD or AdamW
// Arguments in the wrong place, and trainers used as if they were right: nothing is said of what follows.
#include <sdepth/net.hpp>

using namespace sdepth;
#ifdef PASS
template <class Right, class Wrong>
using Either = Right;
#else
template <class Right, class Wrong>
using Either = Wrong;
#endif
using Net = Network<Input<3, 8, 8>, Conv<4>, BN, ReLU, GlobalAvgPool, Linear<10>>;

template <class Training>
double use(const std::vector<float>& images, const std::vector<int>& labels,
           typename Training::Options options) {
  Training trainer(options);
  const Score score = trainer.step(NHWC<float>{images}, labels);
  trainer.set_learning_rate(0.1);
  Inference<Net, Reference> inference(trainer.weights());
  return score.loss + static_cast<double>(inference.predict(NHWC<float>{images})[0]);
}

double all(const std::vector<float>& images, const std::vector<int>& labels) {
  Either<Trainer<Net, Reference>, Trainer<Net, int>> none({.batch = 4});
  return use<Either<Trainer<Net, Reference>, Trainer<Reference, Net>>>(images, labels, {.batch = 4}) +
         use<Either<Trainer<Net, Reference, CrossEntropy, AdamW>, Trainer<Net, Reference, AdamW>>>(
             images, labels, {.batch = 4, .optimizer = {.learning_rate = 1e-3}}) +
         use<Either<Trainer<Net, Reference, CrossEntropy, SGD>, Trainer<Net, Reference, SGD, CrossEntropy>>>(
             images, labels, {.batch = 4, .sgd = {.learning_rate = 1e-3}}) +
         use<Trainer<Net, Reference, CrossEntropy, Either<SGD, LinearDecay<0.5>>>>(images, labels,
                                                                                   {.seed = 1});
}
