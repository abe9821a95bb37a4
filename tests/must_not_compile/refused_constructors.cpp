// expect: targets: behind the images come their labels, one int for each, in a std::vector<int> or any std::span<const int>
// expect: targets: behind the images come the numbers that the loss compares with, floats for each image
// expect: Inference(weights, options): weights are a trainer's, as in Inference<Net, Cpu<>> network(trainer.weights(), {.batch = 1})
// expect: Inference(weights, options): weights are a trainer's
// expect: Trainer(options): a trainer is made with its own type Options, as in Trainer<Net, Cpu<>> trainer({.batch = 64, .threads = 2})
// expect: Trainer(options): a trainer is made with its own type Options
// expect: Trainer(options): a trainer is made with its own type Options
// Labels in braces, which nobody keeps; and objects made from what looks like the right thing.
#include <sdepth/net.hpp>

using namespace sdepth;
using Net = Network<Input<3, 8, 8>, Conv<4>, ReLU, Residual<Conv<4>>, GlobalAvgPool, Linear<10>>;
using Classifier = Trainer<Net, Reference>;
#ifdef PASS
using Settings = TrainingOptions;
using SettingsAtTest = InferenceOptions;
using Other = Reference;
const auto& weights_of(Classifier& trainer) { return trainer.weights(); }
const auto& shared(const std::shared_ptr<Weights<Net, Reference>>& weights) { return weights; }
Classifier trainer_of(int batch) { return Classifier({.batch = batch}); }
#else
using Settings = TestOptions;
using SettingsAtTest = TestOptions;
using Other = Cpu<>;
Classifier& weights_of(Classifier& trainer) { return trainer; }
const auto& shared(const std::shared_ptr<Weights<Net, Reference>>& weights) { return *weights; }
#endif

void all(Classifier& trainer, Trainer<Net, Reference, MeanSquaredError>& regression,
         const std::vector<float>& pixels) {
  const NHWC<float> images{pixels};
#ifdef PASS
  const std::vector<int> labels{3};
  trainer.step(images, labels);
  trainer.compute_gradients(images, {labels});
  static_cast<void>(trainer.evaluate(images, {labels}, {}));
  regression.step(images, std::vector<float>{0.5F});
#else
  trainer.step(images, {3});
  trainer.compute_gradients(images, {3});
  static_cast<void>(trainer.evaluate(images, {3, 4}));
  regression.step(images, {0.5F});
#endif
  Inference<Net, Reference> of_trainer(weights_of(trainer)), with_options(weights_of(trainer), {.batch = 1}),
      of_reference(shared(trainer.weights())), other_options(trainer.weights(), SettingsAtTest{});
  Inference<Net, Other> of_other(trainer.weights());
  Classifier made(Settings{});
#ifdef PASS
  Classifier of_number = trainer_of(128);
#else
  Classifier of_number(128);
#endif
  Trainer<Net, Reference, CrossEntropy, AdamW> other_optimizer(
      typename Trainer<Net, Reference, CrossEntropy,
                       std::conditional_t<std::is_same_v<Other, Reference>, AdamW, SGD>>::Options{});
}
