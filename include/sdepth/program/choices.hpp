// What a person chooses by name: schedules, data sets, and the paper's recipe for each.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <sdepth/core/shape.hpp>
#include <sdepth/schedule/scaling.hpp>
#include <sdepth/train/options.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

inline const std::vector<std::string> data_names = {"fashion-mnist", "mnist", "cifar10",
                                                    "cifar100",      "svhn",  "synthetic"};
/// And pictures of one's own, of which a program says whether it can read them.
inline const std::vector<std::string> data_choices = {"fashion-mnist", "mnist",     "cifar10", "cifar100",
                                                      "svhn",          "synthetic", "folder"};

/// What pictures are like.
struct PictureKind {
  Shape shape{};    // of no channels: any
  int classes = 0;  // 0: any
};
/// The pictures of a data set; of pictures of one's own nothing is known.
[[nodiscard]] inline PictureKind kind_of_data(std::string_view data) {
  if (data == "folder") return {};
  if (data == "fashion-mnist" || data == "mnist") return {{1, 28, 28}, 10};
  return {{3, 32, 32}, data == "cifar100" ? 100 : 10};
}

inline const std::vector<std::string> schedule_names = {"linear", "uniform", "none"};
/// And that of the network's type.
inline const std::vector<std::string> schedule_choices = {"linear", "uniform", "none", "network"};
inline const std::vector<std::string> learning_rate_names = {"steps", "cosine", "one-cycle", "constant"};
inline const std::vector<std::string> normalize_names = {"paper", "none"};
/// And ImageNet's means and deviations, for networks that were trained with them.
inline const std::vector<std::string> normalize_choices = {"paper", "imagenet", "none"};
inline const std::vector<std::string> augmentation_choices = {"paper", "imagenet", "none"};
inline const std::vector<std::string> scaling_names = {"test", "train"};
inline const std::vector<std::string> optimizer_names = {"sgd", "adamw"};
inline const std::vector<std::string> precision_names = {"float32", "bf16"};
inline const std::vector<std::string> rounding_names = {"nearest", "stochastic"};

/// p_l for blocks 1 … `blocks`, as schedule/schedules.hpp computes them, for a probability known only now.
/// @param survival  p_L, in [0, 1]
[[nodiscard]] inline std::vector<double> survival_table(std::string_view schedule, double survival,
                                                        int blocks) {
  std::vector<double> table;
  for (int l = 1; l <= blocks; ++l)
    table.push_back(schedule == "linear"    ? 1.0 - (static_cast<double>(l) / blocks) * (1.0 - survival)
                    : schedule == "uniform" ? survival
                                            : 1.0);
  return table;
}

[[nodiscard]] inline Scaling scaling_of(std::string_view name) {
  return name == "train" ? Scaling::train : Scaling::test;
}

/// The paper's recipe for a data set and a network. Sets that the paper has not get its steps for CIFAR, for
/// as many epochs as easier sets need, and nothing held out. A network as deep as its 1202-layer one (600
/// blocks) gets that one's warm-up.
/// @param residual_blocks  of the network
[[nodiscard]] inline Recipe recipe_of(std::string_view data, int residual_blocks) {
  if (data == "svhn") return paper_svhn();
  Recipe recipe = residual_blocks >= 600 ? paper_cifar_1202() : paper_cifar();
  if (data != "cifar10" && data != "cifar100") {
    recipe.epochs = data == "synthetic" ? 5 : 20;
    recipe.validation = 0;
    recipe.learning_rate.warm_up_epochs = 0;
  }
  return recipe;
}

}  // namespace sdepth::inline SDEPTH_ISA::program
