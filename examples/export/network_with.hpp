// The same with the network's type. Neither kernels nor training: only what the type says of itself is
// compiled.
#pragma once

#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/network/depth_plan.hpp>
#include <sdepth/program/choices.hpp>

#include "../shared/networks.hpp"
#include "networks.hpp"

namespace programs {

template <class Net>
[[nodiscard]] sdepth::TrainedNetwork network_with(const Task& task) {
  const std::vector<double> survival =
      task.survival ? *task.survival
                    : survival_table(task.schedule, task.last_survival, Net::residual_blocks);
  sdepth::DepthPlan plan;
  if (task.blocks || task.operations) {
    const std::vector<int> order = sdepth::drop_order_by_survival<Net>(survival);
    plan = task.blocks ? sdepth::keep_blocks<Net>(order, *task.blocks)
                       : sdepth::keep_operations<Net>(order, *task.operations);
  }
  return sdepth::trained_network<Net>(task.weights, task.where, survival, task.scaling, plan);
}

/// The same by the network's name, for the pictures and classes of a .cpp.
template <class Image, int Classes>
[[nodiscard]] sdepth::TrainedNetwork network_by_name(const Task& task) {
  return with_resnets<Image, Classes>([&]<class... Entries>() {
    sdepth::TrainedNetwork network;
    const bool found = ((task.model == Entries::chosen_by &&
                         (network = network_with<typename Entries::ChosenNetwork>(task), true)) ||
                        ...);
    if (!found) sdepth::fail("there is no model named ", task.model);  // names are looked at before
    return network;
  });
}

}  // namespace programs
