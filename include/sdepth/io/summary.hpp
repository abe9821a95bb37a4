// A network as a table for people: its layers, their tensors' names, output shapes, parameters, multiply-adds
// and survival probabilities.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <sdepth/core/spelling.hpp>
#include <sdepth/io/text.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/network/training_memory.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// One row of a network's summary. A row of blocks comes first, then the rows of one of them, which are
/// inside it.
struct SummaryRow {
  std::string layer;    // "Conv 3x3, stride 2 - BN - ReLU"
  std::string tensors;  // what the names of its tensors begin with: "conv1, bn1"
  Shape output;
  std::size_t parameters = 0;  // as PyTorch counts them: no running statistics, no padding
  double multiply_adds = 0;    // of one image's forward pass
  std::string survival;        // of blocks in StochasticDepth
  bool inside = false;
  int blocks = 0;  // of a row of blocks, how many
};

/// The name of a type as its author wrote it, without namespaces: "LeakyReLU<0.01>".
template <class Type>
[[nodiscard]] std::string type_name() {
  std::string_view text = compilers_spelling<Type>();
  if (const auto colon = text.substr(0, text.find('<')).rfind(':'); colon != std::string_view::npos)
    text.remove_prefix(colon + 1);
  return std::string(text);
}

[[nodiscard]] inline std::string operation_text(const ConvShape& s) {
  const std::string extent = std::to_string(s.kernel),
                    stride = s.stride > 1 ? ", stride " + std::to_string(s.stride) : "";
  return "Conv " + extent + "x" + extent + stride +
         (s.padding == s.kernel / 2 ? "" : ", padding " + std::to_string(s.padding));
}
[[nodiscard]] inline std::string operation_text(const PoolShape& s) {
  const bool global = s.window_height == s.in.height && s.window_width == s.in.width && s.padding == 0;
  if (global) return s.kind == PoolKind::average ? "GlobalAvgPool" : "global MaxPool";
  return std::string(s.kind == PoolKind::average ? "AvgPool " : "MaxPool ") +
         std::to_string(s.window_height) + "x" + std::to_string(s.window_width) +
         (s.stride > 1 ? ", stride " + std::to_string(s.stride) : "");
}
[[nodiscard]] inline std::string operation_text(const LinearShape&) { return "Linear"; }
[[nodiscard]] inline std::string operation_text(const DropoutShape& s) {
  return "Dropout " + decimal(s.probability, 6);
}
[[nodiscard]] inline std::string operation_text(const NoOperation&) { return ""; }

/// Takes the tensors of a network one stage after the other.
class SummaryTensors {
 public:
  explicit SummaryTensors(std::vector<ParameterInfo> all) : all_(std::move(all)) {}

  /// The next `count` tensors: the distinct beginnings of their names, without `prefix`, and how many
  /// parameters they have.
  void take(std::size_t count, const std::string& prefix, SummaryRow& row) {
    std::string last;
    for (std::size_t i = 0; i < count; ++i, ++next_) {
      const ParameterInfo& tensor = all_[next_];
      std::string name = tensor.name.substr(0, tensor.name.rfind('.'));
      if (!prefix.empty() && name.starts_with(prefix + ".")) name.erase(0, prefix.size() + 1);
      if (name != last) row.tensors += (row.tensors.empty() ? "" : ", ") + name;
      last = name;
      if (!tensor.trainable()) continue;
      std::size_t numbers = 1;
      for (const std::int64_t extent : tensor.shape) numbers *= static_cast<std::size_t>(extent);
      row.parameters += numbers;
    }
  }
  /// What the names of a block's tensors begin with, from its first one: "layer1.0" of
  /// "layer1.0.conv1.weight".
  [[nodiscard]] std::string block_at(std::size_t ahead, std::size_t count) const {
    if (count == 0) return "";
    const std::string name = all_[next_ + ahead].name, module = name.substr(0, name.rfind('.'));
    return module.substr(0, module.rfind('.'));
  }
  void skip(std::size_t count) { next_ += count; }

 private:
  std::vector<ParameterInfo> all_;
  std::size_t next_ = 0;
};

/// How many tensors a stage has.
template <class Stage>
inline constexpr std::size_t stage_tensors =
    (Stage::rows > 0 ? 1 : 0) + (Stage::bias ? 1 : 0) + (Stage::norm ? 4 : 0);

/// @param activation  its name; empty: none   @param count  of the stage's tensors
[[nodiscard]] inline SummaryRow stage_row(SummaryTensors& tensors, const std::string& prefix,
                                          std::string operation, bool norm, const std::string& activation,
                                          const Shape& out, double multiply_adds, std::size_t count) {
  SummaryRow row;
  row.layer = std::move(operation);
  const auto add = [&](const std::string& word) { row.layer += (row.layer.empty() ? "" : " - ") + word; };
  if (norm) add("BN");
  if (!activation.empty()) add(activation);
  row.output = out;
  row.multiply_adds = multiply_adds;
  tensors.take(count, prefix, row);
  return row;
}
template <class Stage>
[[nodiscard]] SummaryRow stage_row(SummaryTensors& tensors, const std::string& prefix) {
  std::string activation;
  if constexpr (Stage::ends_in_activation) activation = type_name<typename Stage::Activation>();
  return stage_row(tensors, prefix, operation_text(Stage::operation), Stage::norm, activation, Stage::out,
                   Stage::multiply_adds, stage_tensors<Stage>);
}

/// The row of blocks, then those of the first of them.
template <class Row>
void add_block_rows(std::vector<SummaryRow>& rows, SummaryTensors& tensors, std::span<const double> survival,
                    bool stochastic) {
  std::size_t in_block = 0;
  const auto count_tensors = [&]<class Stage>(std::type_identity<Stage>) {
    in_block += stage_tensors<Stage>;
  };
  Row::Branch::for_each(count_tensors);
  if constexpr (Row::projects) Row::Projection::for_each(count_tensors);

  constexpr auto count = static_cast<std::size_t>(Row::blocks);
  const std::string first = tensors.block_at(0, in_block),
                    last = tensors.block_at((count - 1) * in_block, in_block);
  SummaryRow all{std::to_string(count) + (count > 1 ? " blocks" : " block"),
                 first,
                 Row::out,
                 0,
                 Row::multiply_adds,
                 "",
                 false,
                 Row::blocks};
  if (last != first) all.tensors += " ... " + last;
  if (stochastic) {
    const std::string from = decimal(survival.front(), 4), to = decimal(survival.back(), 4);
    all.survival = from + (from == to ? "" : " ... " + to);
  }
  const std::size_t at = rows.size();
  rows.push_back(all);
  const auto add_stage = [&]<class Stage>(std::type_identity<Stage>) {
    rows.push_back(stage_row<Stage>(tensors, first));
    rows.back().inside = true;
    rows[at].parameters += count * rows.back().parameters;
  };
  Row::Branch::for_each(add_stage);
  std::string sum = "+ input";
  if constexpr (Row::projects) {
    Row::Projection::for_each(add_stage);
    rows.back().layer = "+ " + rows.back().layer + " of the input";
    sum = "";
  } else if (!Row::identity) {
    sum = "+ " +
          (Row::shortcut.window > 1 ? operation_text(Row::shortcut.pool())
                                    : "pixels " + std::to_string(Row::stride) + " apart") +
          " of the input" + (Row::out.channels > Row::in.channels ? ", zero channels" : "");
  }
  if constexpr (activates<typename Row::Block::AfterSum>)
    sum += (sum.empty() ? "" : " - ") + type_name<typename Row::Block::AfterSum>();
  if (!sum.empty()) rows.push_back({sum, "", Row::out, 0, 0, "", true});
  tensors.skip((count - 1) * in_block);
}

/// The rows of a network's summary, for a table of one's own.
template <class Net>
[[nodiscard]] std::vector<SummaryRow> summary_rows() {
  std::vector<SummaryRow> rows{{"Input", "", Net::input, 0, 0, "", false}};
  SummaryTensors tensors(Net::parameters(1));
  std::size_t block = 0;
  Net::Stages::for_each([&]<class Stage>(std::type_identity<Stage>) {
    if constexpr (Stage::blocks > 0) {
      constexpr auto count = static_cast<std::size_t>(Stage::blocks);
      add_block_rows<Stage>(rows, tensors, std::span(Net::survival).subspan(block, count),
                            Net::stochastic[block]);
      block += count;
    } else {
      rows.push_back(stage_row<Stage>(tensors, ""));
    }
  });
  return rows;
}

/// Rows of cells as lines, each column as wide as its widest cell; `right` says which columns are set to the
/// right.
[[nodiscard]] inline std::string aligned(const std::vector<std::vector<std::string>>& table,
                                         const std::vector<bool>& right) {
  std::vector<std::size_t> widths(right.size());
  for (const auto& row : table)
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  std::string text;
  for (const auto& row : table) {
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c) {
      const std::string space(widths[c] - row[c].size(), ' ');
      line += (c > 0 ? "  " : "") + (right[c] ? space + row[c] : row[c] + space);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

/// What stands below the table.
struct SummaryTotals {
  std::size_t parameters = 0;
  // of an image: multiplications and additions, every block open and on average
  double operations = 0, expected_operations = 0;
  ActivationBytes activations;  // of an image
  int blocks = 0, stochastic_blocks = 0;
  double expected_depth = 0;
};

/// The rows and the totals as text.
[[nodiscard]] inline std::string summary_text(const std::vector<SummaryRow>& rows,
                                              const SummaryTotals& totals) {
  std::vector<std::vector<std::string>> table{
      {"layer", "tensors", "output", "parameters", "multiply-adds", "survival"}};
  for (const SummaryRow& row : rows) {
    const Shape& o = row.output;
    table.push_back(
        {(row.inside ? "  " : "") + row.layer, (row.inside && !row.tensors.empty() ? "  " : "") + row.tensors,
         std::to_string(o.channels) + " x " + std::to_string(o.height) + " x " + std::to_string(o.width),
         row.parameters > 0 ? with_commas(row.parameters) : "",
         row.multiply_adds > 0 ? with_commas(static_cast<std::uint64_t>(row.multiply_adds)) : "",
         row.survival});
  }
  const auto megabytes = [](double bytes) { return fixed_point(bytes / 1e6, 1) + " MB"; };
  const auto multiply_adds = [](double operations) { return fixed_point(operations / 2e6, 1) + " M"; };
  std::string text = aligned(table, {false, false, false, true, true, false});
  text += "\nparameters     " + with_commas(totals.parameters) + " (" +
          megabytes(4.0 * static_cast<double>(totals.parameters)) + " as float32)\n";
  text += "multiply-adds  " + multiply_adds(totals.operations) + " an image";
  if (totals.stochastic_blocks > 0)
    text +=
        ", " + multiply_adds(totals.expected_operations) + " in a training step on average over the gates";
  text += "\nactivations    " + megabytes(totals.activations.all_open) + " an image kept by a training step";
  if (totals.stochastic_blocks > 0) text += ", " + megabytes(totals.activations.mean) + " on average";
  text += "\nblocks         " + std::to_string(totals.blocks);
  if (totals.stochastic_blocks > 0)
    text += ", of which " + decimal(totals.expected_depth, 4) + " run in a training step on average";
  return text + "\n";
}

/// A table of the network's layers, as torchinfo's, and its totals.
///
///     std::cout << summary<ResNet50>();
///
/// Fused layers share a row, equal blocks in a row are shown once. Shapes are channels x height x width of
/// one image.
template <class Net>
[[nodiscard]] std::string summary() {
  return summary_text(summary_rows<Net>(),
                      {Net::parameter_count, Net::operations_per_image, Net::expected_operations_per_image,
                       activation_bytes(activation_table<Net>(1), Net::survival, 1), Net::residual_blocks,
                       Net::stochastic_blocks, Net::expected_depth});
}

}  // namespace sdepth::inline SDEPTH_ISA
