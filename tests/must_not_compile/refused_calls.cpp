// expect: targets: behind the images come their labels, one int for each, in a std::vector<int> or any std::span<const int>
// expect: targets: behind the images come the numbers that the loss compares with, floats for each image
// expect: gates are 0 or 1 for each residual block in a std::vector<std::uint8_t>
// expect: evaluate(images, targets, plan), predict(images, plan): which blocks run is said by a DepthPlan
// expect: predict(images, logits): logits are room for floats
// expect: images: wrap the numbers, which do not say their order themselves: step(NHWC<float>{images}, labels), or NCHW
// expect: images: wrap the numbers
// expect: deleted
// Calls with arguments of another type: each mistake is said once, and not what else there is.
#include <sdepth/net.hpp>

using namespace sdepth;
using Net = Network<Input<3, 8, 8>, Conv<4>, ReLU, Residual<Conv<4>>, GlobalAvgPool, Linear<10>>;
using Classifier = Trainer<Net, Reference>;
#ifdef PASS
using Label = int;
using Target = float;
using Gate = std::uint8_t;
using Logit = float;
using Plan = DepthPlan;
auto wrapped(const std::vector<float>& images) { return NHWC<float>{images}; }
Classifier& the_same(Classifier& trainer) { return trainer; }
#else
using Label = std::uint8_t;
using Target = int;
using Gate = int;
using Logit = double;
using Plan = int;
const std::vector<float>& wrapped(const std::vector<float>& images) { return images; }
Classifier the_same(Classifier& trainer) { return trainer; }
#endif

void all(Classifier& trainer, Trainer<Net, Reference, MeanSquaredError>& regression,
         Inference<Net, Reference>& inference, const std::vector<float>& numbers) {
  const NHWC<float> images{numbers};
  const std::vector<Label> labels;
  const std::vector<Gate> gates;
  std::vector<Logit> logits;
  trainer.step(images, labels);
  trainer.compute_gradients(images, labels);
  static_cast<void>(trainer.evaluate(images, labels));
  regression.step(images, std::vector<Target>());
  trainer.step(images, std::vector<int>(), gates);
  trainer.compute_gradients(images, std::vector<int>(), gates, [](const GradientRange&) {});
  static_cast<void>(trainer.predict(images, Plan()));
  inference.predict(images, logits);
  static_cast<void>(inference.predict_classes(wrapped(numbers)));
  trainer.compute_gradients(wrapped(numbers), std::vector<int>());
  the_same(trainer).apply();
}
