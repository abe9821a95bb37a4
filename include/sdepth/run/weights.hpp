// A network's numbers: parameters and running statistics in two flat buffers, each tensor found by its
// PyTorch name.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/core/memory.hpp>
#include <sdepth/network/parameters.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// All numbers of `Net`, padded for `Backend`. Parameters are zero, running means 0 and running variances 1
/// until something is loaded or drawn.
template <class Net, class Backend>
class Weights {
 public:
  using T = typename Backend::Scalar;
  using Storage = typename Backend::template Storage<T>;

  Weights()
      : tensors_(Net::parameters(Backend::lanes)),
        parameters_(Net::storage(Backend::lanes).trainable),
        running_(Net::storage(Backend::lanes).running) {
    for (const ParameterInfo& tensor : tensors_)
      if (tensor.kind == ParameterKind::running_var)
        std::fill_n(running_.data() + tensor.offset, tensor.size, T{1});
  }

  /// Every tensor's name, shape and place.
  [[nodiscard]] const std::vector<ParameterInfo>& tensors() const noexcept { return tensors_; }
  [[nodiscard]] Storage& parameters() noexcept { return parameters_; }
  [[nodiscard]] const Storage& parameters() const noexcept { return parameters_; }
  [[nodiscard]] Storage& running() noexcept { return running_; }
  [[nodiscard]] const Storage& running() const noexcept { return running_; }

  /// The tensor of that name. Throws Error naming it where there is none.
  [[nodiscard]] const ParameterInfo& find(std::string_view name) const {
    const auto found = std::find_if(tensors_.begin(), tensors_.end(),
                                    [&](const ParameterInfo& tensor) { return tensor.name == name; });
    if (found == tensors_.end())
      fail("no tensor is called \"", name, "\" in this network; tensors() lists the names, the first is ",
           tensors_.front().name);
    return *found;
  }

 private:
  std::vector<ParameterInfo> tensors_;
  Storage parameters_;
  Storage running_;
};

namespace detail {

/// The weights of a trainer. Throws Error where it was moved from, and has none any more.
template <class Weights>
[[nodiscard]] Weights& weights_of(const std::shared_ptr<Weights>& weights, std::string_view who) {
  if (!weights) fail(who, ": this trainer was moved from; use the one that it was moved to");
  return *weights;
}
/// The tensor of that name of a trainer. Throws as weights_of.
template <class Net, class Backend>
[[nodiscard]] const ParameterInfo& tensor_of(const std::shared_ptr<Weights<Net, Backend>>& weights,
                                             std::string_view name) {
  return weights_of(weights, name).find(name);
}

}  // namespace detail

}  // namespace sdepth::inline SDEPTH_ISA
