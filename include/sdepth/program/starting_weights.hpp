// Training that begins with another network's weights: what of them is new, and what stays as it is.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/io/safetensors.hpp>
#include <sdepth/io/weights.hpp>
#include <sdepth/network/layout.hpp>
#include <sdepth/network/parameters.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// Says of a parameter whether its name begins with one of these. Throws Error where no parameter's does with
/// one of them, or all parameters' do, so that nothing is left to train.
[[nodiscard]] inline std::function<bool(const ParameterInfo&)> frozen_by(
    const std::vector<std::string>& beginnings, std::span<const ParameterInfo> tensors) {
  const auto frozen = [beginnings](const ParameterInfo& parameter) {
    return std::ranges::any_of(
        beginnings, [&](const std::string& beginning) { return parameter.name.starts_with(beginning); });
  };
  for (const std::string& beginning : beginnings)
    if (std::ranges::none_of(tensors,
                             [&](const auto& t) { return t.trainable() && t.name.starts_with(beginning); }))
      fail("--freeze ", beginning, ": no parameter's name begins so, the first is ", tensors.front().name,
           "; --summary lists them all");
  if (std::ranges::none_of(tensors, [&](const auto& t) { return t.trainable() && !frozen(t); }))
    fail("--freeze leaves no parameter to be trained; name fewer of them");
  return frozen;
}

/// Where a file's last layer tells another number of classes apart, puts the network's own in its place.
/// @param parameters  the network's   @return  a sentence that says so; empty: the file is as it was
template <class T>
[[nodiscard]] std::string keep_head(SafeTensors& file, std::span<const ParameterInfo> tensors,
                                    const T* parameters, std::size_t classes, const std::string& where) {
  const auto last = std::ranges::find_if(tensors.rbegin(), tensors.rend(),
                                         [](const auto& tensor) { return tensor.trainable(); });
  const std::string layer = last->name.substr(0, last->name.rfind('.') + 1);
  std::vector<std::string> anew;
  std::int64_t found = 0;
  for (Tensor& tensor : file.tensors) {
    const auto info = std::ranges::find(tensors, tensor.name, &ParameterInfo::name);
    if (info == tensors.end() || !tensor.name.starts_with(layer) || tensor.shape.size() != info->shape.size())
      continue;
    auto as_ours = tensor.shape;
    const std::int64_t of_file = std::exchange(as_ours.front(), info->shape.front());
    if (as_ours != info->shape || tensor.shape == info->shape) continue;
    tensor = {info->name, info->shape, to_pytorch(*info, parameters)};
    anew.push_back(info->name);
    found = of_file;
  }
  if (anew.empty()) return "";
  return where + " tells " + std::to_string(found) + " classes apart and this run " +
         std::to_string(classes) + ", so " + names_in_words(anew) + " begin anew";
}

}  // namespace sdepth::inline SDEPTH_ISA::program
