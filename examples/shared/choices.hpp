// What train and infer let a person choose by name: networks, schedules, data sets and the paper's recipe for each.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/data/catalog.hpp>
#include <sdepth/data/image_set.hpp>
#include <sdepth/models/cifar_resnet.hpp>
#include <sdepth/schedule/scaling.hpp>
#include <sdepth/train/options.hpp>

namespace programs {

inline const std::vector<std::string> model_names = {"resnet20", "resnet56", "resnet110", "resnet152", "resnet1202"};
inline const std::vector<std::string> data_names = {"fashion-mnist", "cifar10", "cifar100", "svhn", "synthetic"};
inline const std::vector<std::string> schedule_names = {"linear", "uniform", "none"};
inline const std::vector<std::string> learning_rate_names = {"steps", "cosine", "one-cycle", "constant"};
inline const std::vector<std::string> normalize_names = {"paper", "none"};
inline const std::vector<std::string> scaling_names = {"test", "train"};
inline const std::vector<std::string> precision_names = {"float32", "bf16"};

/// Calls make.operator()<Net>() with the network of that name, for pictures of type Image. The only place where a name becomes a type.
template <class Image, int Classes, class Make>
[[nodiscard]] auto with_network(std::string_view model, Make&& make) {
  using namespace sdepth;
  if (model == "resnet20") return make.template operator()<CifarResNet<20, Image, Classes>>();
  if (model == "resnet56") return make.template operator()<CifarResNet<56, Image, Classes>>();
  if (model == "resnet110") return make.template operator()<CifarResNet<110, Image, Classes>>();
  if (model == "resnet152") return make.template operator()<CifarResNet<152, Image, Classes>>();
  if (model == "resnet1202") return make.template operator()<CifarResNet<1202, Image, Classes>>();
  fail("there is no model named ", model, "; choose resnet20, resnet56, resnet110, resnet152 or resnet1202");
}

/// The shapes that with_network is compiled for; each stands in a .cpp of its own, so that they compile side by side.
using Gray = sdepth::Input<1, 28, 28>;
using Colour = sdepth::Input<3, 32, 32>;

/// Of the functions of these .cpp files the one for such pictures. Throws Error where there is none.
template <class Function>
[[nodiscard]] Function* for_pictures(const sdepth::ImageSet& pictures, Function* gray, Function* colour, Function* colour_100) {
  const sdepth::Shape shape = pictures.shape, gray_shape = Gray::shape, colour_shape = Colour::shape;
  if (shape == gray_shape && pictures.classes == 10) return gray;
  if (shape == colour_shape && pictures.classes == 10) return colour;
  if (shape == colour_shape && pictures.classes == 100) return colour_100;
  sdepth::fail(
      pictures.name, " has pictures of ", shape.channels, " x ", shape.height, " x ", shape.width, " in ", pictures.classes,
      " classes, for which this program has no network; it has them for 1 x 28 x 28 and 3 x 32 x 32 in 10 classes, and 3 x 32 x 32 in 100");
}

/// p_l for blocks 1 … `blocks`, as schedules.hpp computes them, for a probability known only now. @param survival  p_L, in [0, 1]
[[nodiscard]] inline std::vector<double> survival_table(std::string_view schedule, double survival, int blocks) {
  std::vector<double> table;
  for (int l = 1; l <= blocks; ++l)
    table.push_back(schedule == "linear"    ? 1.0 - (static_cast<double>(l) / blocks) * (1.0 - survival)
                    : schedule == "uniform" ? survival
                                            : 1.0);
  return table;
}

[[nodiscard]] inline sdepth::Scaling scaling_of(std::string_view name) {
  return name == "train" ? sdepth::Scaling::train : sdepth::Scaling::test;
}

/// The paper's recipe for a data set and a network. Fashion-MNIST and the synthetic set are not in the paper: its steps for CIFAR, for as
/// many epochs as these easier sets need, and nothing held out.
[[nodiscard]] inline sdepth::Recipe recipe_of(std::string_view data, std::string_view model) {
  if (data == "svhn") return sdepth::paper_svhn();
  sdepth::Recipe recipe = model == "resnet1202" ? sdepth::paper_cifar_1202() : sdepth::paper_cifar();
  if (data == "fashion-mnist" || data == "synthetic") {
    recipe.epochs = data == "synthetic" ? 5 : 20;
    recipe.validation = 0;
    recipe.learning_rate.warm_up_epochs = 0;
  }
  return recipe;
}

}  // namespace programs
