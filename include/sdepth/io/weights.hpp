// A network's weights as named tensors, by PyTorch's names and in PyTorch's layouts, so that
// `load_state_dict` takes what write_safetensors wrote, and the other way round. Checkpoints use the same
// functions for momentum, under a prefix.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/io/public_names.hpp>
#include <sdepth/io/safetensors.hpp>
#include <sdepth/io/text.hpp>
#include <sdepth/network/layout.hpp>
#include <sdepth/network/parameters.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Adds a tensor `prefix + name` to `file` for each of the network's parameters.
///
/// @param parameters  Flat buffer of the trainable ones; gradients and momentum are laid out alike.
/// @param running     Flat buffer of the running statistics, or null to leave these out.
/// Numbers are stored as float32: exact for T = float, rounded for double.
/// Throws Error where a number is not finite: what diverged is not written over what was good.
template <class T>
void append_weights(SafeTensors& file, std::span<const ParameterInfo> infos, const T* parameters,
                    const T* running, const std::string& prefix = "") {
  for (const ParameterInfo& info : infos) {
    if (!info.trainable() && running == nullptr) continue;
    Tensor tensor{prefix + info.name, info.shape, to_pytorch(info, info.trainable() ? parameters : running)};
    if (!std::all_of(tensor.values.begin(), tensor.values.end(),
                     [](float value) { return std::isfinite(value); }))
      fail("the training has diverged: ", tensor.name,
           " holds a number that is not finite, so the weights are not saved; ",
           "go on from the last checkpoint with a lower learning rate");
    file.tensors.push_back(std::move(tensor));
  }
}

/// "a", "a and b", or "a, b and 5 more", for messages.
[[nodiscard]] inline std::string names_in_words(const std::vector<std::string>& names) {
  if (names.size() == 1) return names[0];
  return names[0] + (names.size() == 2
                         ? " and " + names[1]
                         : ", " + names[1] + " and " + std::to_string(names.size() - 2) + " more");
}

/// The tensors of a file under a network's names.
struct NamedTensors {
  std::vector<std::string> names;  // of each of the network's tensors, as in `found`
  std::unordered_map<std::string, const Tensor*> found;
};

/// Where the file has not all of the network's names, and no prefix says whose they are, both are taken by
/// their places: see public_names.hpp. Throws Error where two of the file's tensors are then one.
[[nodiscard]] inline NamedTensors named_tensors(const SafeTensors& file, std::span<const ParameterInfo> infos,
                                                const std::string& prefix, const std::string& where) {
  NamedTensors result;
  std::vector<const Tensor*> tensors;
  std::vector<std::string_view> theirs, ours;
  for (const Tensor& tensor : file.tensors) {
    if (!tensor.name.starts_with(prefix) || tensor.name.ends_with("num_batches_tracked")) continue;
    tensors.push_back(&tensor);
    theirs.push_back(tensor.name);
    result.found.emplace(tensor.name, &tensor);
  }
  for (const ParameterInfo& info : infos) {
    ours.push_back(info.name);
    result.names.push_back(prefix + info.name);
  }
  const auto has = [&](const std::string& name) { return result.found.contains(name); };
  if (!prefix.empty() || std::ranges::all_of(result.names, has)) return result;

  const detail::PublicNames of_file(theirs), of_network(ours);
  result.found.clear();
  for (const Tensor* tensor : tensors)
    if (const auto [other, is_new] = result.found.emplace(of_file.own(tensor->name), tensor); !is_new)
      fail(where, ": ", in_quotes(tensor->name), " and ", in_quotes(other->second->name),
           " are both names of one tensor; keep one of them");
  for (std::size_t i = 0; i < ours.size(); ++i) result.names[i] = of_network.own(ours[i]);
  return result;
}

/// Fills a network's buffers from the tensors of `file` whose names begin with `prefix`; the opposite of
/// append_weights.
///
/// Each parameter must be there, floating-point and finite, with PyTorch's shape, and there must be no other
/// tensor under the prefix. A running variance must not be negative: the network would compute not-a-number.
/// PyTorch's `num_batches_tracked`, a counter that nothing here uses, is ignored. Names may be those of
/// public ResNets: see public_names.hpp.
/// @param running  Null: the running statistics are neither expected nor written.
/// @param where    Names the file in messages.
/// Throws Error before the first number is written, so the buffers hold either all of the file or what they
/// held.
template <class T>
void take_weights(const SafeTensors& file, std::span<const ParameterInfo> infos, T* parameters, T* running,
                  const std::string& prefix = "", const std::string& where = "the weights") {
  NamedTensors named = named_tensors(file, infos, prefix, where);
  std::vector<std::pair<const ParameterInfo*, const Tensor*>> pairs;
  std::vector<std::string> missing;
  for (std::size_t i = 0; i < infos.size(); ++i) {
    if (!infos[i].trainable() && running == nullptr) continue;
    const auto found = named.found.find(named.names[i]);
    if (found == named.found.end()) {
      missing.push_back(prefix + infos[i].name);
    } else {
      pairs.emplace_back(&infos[i], found->second);
      named.found.erase(found);
    }
  }
  std::unordered_map<const Tensor*, std::string_view> unused;  // by the network's way of naming
  for (const auto& [name, tensor] : named.found) unused.emplace(tensor, name);
  std::vector<std::string> extra;
  for (const Tensor& tensor : file.tensors) {
    const auto found = unused.find(&tensor);
    if (found == unused.end()) continue;
    extra.push_back(in_quotes(tensor.name));
    if (missing.empty() && found->second.find(".shortcut.conv.") != std::string_view::npos)
      fail(where, ": its shortcuts are convolutions (", extra.back(),
           "), and this network's have no weights; ", "use a network of ProjectionShortcut");
  }
  if (const auto format = file.metadata.find("format");
      !extra.empty() && format != file.metadata.end() && format->second.starts_with("sdepth checkpoint"))
    fail(where, " is a checkpoint, to go on training with; use the model.safetensors beside it");
  const char* advice = "; choose the model and the options that the file was saved with";
  if (!missing.empty() && !extra.empty())
    fail(where, ": does not fit the network, it lacks ", names_in_words(missing), " and has ",
         names_in_words(extra), ", which the network lacks", advice);
  if (!missing.empty()) fail(where, ": lacks ", names_in_words(missing), " of the network", advice);
  if (!extra.empty()) fail(where, ": has ", names_in_words(extra), ", which the network lacks", advice);

  for (const auto& [info, tensor] : pairs) {
    if (tensor->shape != info->shape)
      fail(where, ": ", tensor->name, " has the shape ", shape_text(tensor->shape), ", the network's is ",
           shape_text(info->shape), advice);
    if (tensor->values.size() != pytorch_size(*info))
      fail(where, ": ", tensor->name, " holds numbers of type ", tensor->dtype,
           ", expected F32 (or F64, F16, BF16); save it as floats");
    if (!std::all_of(tensor->values.begin(), tensor->values.end(),
                     [](float value) { return std::isfinite(value); }))
      fail(where, ": ", tensor->name,
           " holds a number that is not finite in float32; use weights from before the training diverged");
    if (info->kind == ParameterKind::running_var &&
        std::any_of(tensor->values.begin(), tensor->values.end(), [](float value) { return value < 0; }))
      fail(where, ": ", tensor->name,
           " holds a negative number, which no variance is; the file is damaged, save the weights again");
  }
  for (const auto& [info, tensor] : pairs)
    from_pytorch(*info, tensor->values, info->trainable() ? parameters : running);
}

}  // namespace sdepth::inline SDEPTH_ISA
