// A trained network as a state dict of PyTorch: `model.load_state_dict(safetensors.torch.load_file(F))`,
// strict as that is by default.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/core/exactly.hpp>
#include <sdepth/io/safetensors.hpp>
#include <sdepth/io/trained_network.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// What the blocks are called: layer1.0, layer1.1, layer2.0, … and downsample, as in public ResNets, a layer
/// beginning where the shape changes; or blocks.0, blocks.1, … and shortcut, as in our own files.
enum class BlockNames { layers, blocks };

/// Multiplies what a block's branch gives, by its last layer's own numbers. Throws Error where that layer has
/// none.
inline void fold_scale(TrainedNetwork& trained, const BlockDescription& block, std::size_t index) {
  const double scale = std::exchange(trained.scales[index], 1.0);
  if (exactly(scale, 1)) return;
  const std::size_t last = factor_place(block.branch);
  const LayerDescription* layer = last > 0 ? &block.branch[last - 1] : nullptr;
  std::size_t tensors = 0;
  if (layer != nullptr) {
    if (std::holds_alternative<NormDescription>(layer->what)) tensors = 2;
    if (const auto* conv = std::get_if<ConvShape>(&layer->what)) tensors = conv->bias ? 2 : 1;
    if (const auto* linear = std::get_if<LinearShape>(&layer->what)) tensors = linear->bias ? 2 : 1;
  }
  if (tensors == 0)
    fail("state dict: the branch of block ", index,
         " ends with a layer without weights, so its survival probability cannot ",
         "become a part of them; keep the survival probabilities, and multiply by them in PyTorch");
  for (std::size_t i = 0; i < tensors; ++i)
    for (float& number : trained.numbers[layer->first_tensor + i])
      number = static_cast<float>(scale * static_cast<double>(number));
}

/// The tensors of a state dict, with num_batches_tracked, which is 0, behind every norm's.
///
/// @param keep_survival  false: the blocks' factors are folded into the last weights of their branches, and a
///                       ResNet without stochastic depth has the same logits
/// Throws Error where a dropped block changes the shape: PyTorch's ResNets have no block of a shortcut alone.
[[nodiscard]] inline SafeTensors state_dict(TrainedNetwork trained, BlockNames names = BlockNames::layers,
                                            bool keep_survival = false) {
  std::vector<std::string> renamed;  // of each tensor; empty: it is left out
  for (const ParameterInfo& info : trained.network.tensors) renamed.push_back(info.name);
  std::size_t block = 0, layer = 0, in_layer = 0, kept = 0;
  for (const auto& part : trained.network.parts) {
    const auto* described = std::get_if<BlockDescription>(&part);
    if (described == nullptr) continue;
    const std::size_t index = block++;
    const bool runs = trained.keep[index] != 0;
    if (!runs && !described->identity)
      fail("state dict: block ", index,
           " is dropped but changes the shape, and PyTorch's ResNets have no block of a shortcut alone; ",
           "keep more blocks, or export to ONNX");
    if (layer == 0 || !described->identity) ++layer, in_layer = 0;
    const std::string prefix = names == BlockNames::layers
                                   ? "layer" + std::to_string(layer) + "." + std::to_string(in_layer) + "."
                                   : "blocks." + std::to_string(kept) + ".";
    if (runs && !keep_survival) fold_scale(trained, *described, index);
    for (std::size_t i = described->first_tensor; i < described->end_tensor; ++i) {
      // "blocks.3.rest" or "layer2.0.rest"
      const std::string& name = trained.network.tensors[i].name;
      std::string rest = name.substr(name.find('.', name.find('.') + 1) + 1);
      for (auto [ours, theirs] :
           {std::pair("shortcut.conv.", "downsample.0."), {"shortcut.bn.", "downsample.1."}}) {
        if (names == BlockNames::blocks) std::swap(ours, theirs);
        if (rest.starts_with(ours)) rest = theirs + rest.substr(std::string_view(ours).size());
      }
      renamed[i] = runs ? prefix + rest : "";
    }
    in_layer += runs;
    kept += runs;
  }

  SafeTensors file;
  const std::string variance = "running_var";
  for (std::size_t i = 0; i < renamed.size(); ++i) {
    if (renamed[i].empty()) continue;
    file.tensors.push_back({renamed[i], trained.network.tensors[i].shape, trained.numbers[i]});
    if (trained.network.tensors[i].kind == ParameterKind::running_var)
      file.tensors.push_back(
          {renamed[i].substr(0, renamed[i].size() - variance.size()) + "num_batches_tracked",
           {},
           {0.0F},
           "I64"});
  }
  return file;
}

}  // namespace sdepth::inline SDEPTH_ISA
