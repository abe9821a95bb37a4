// report.html: one file that shows how a run went, made new after each epoch; it loads nothing and runs no
// script.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <sdepth/core/exactly.hpp>
#include <sdepth/program/chart.hpp>
#include <sdepth/program/classification.hpp>
#include <sdepth/program/page.hpp>
#include <sdepth/program/report_parts.hpp>
#include <sdepth/io/file.hpp>
#include <sdepth/io/text.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// One epoch. Losses are means per image, errors percent of images classified wrongly; not-a-number where
/// there is none.
struct EpochRow {
  int epoch = 0;
  double train_loss = 0.0;
  double train_error = 0.0;
  double validation_error = std::numeric_limits<double>::quiet_NaN();
  double test_error = std::numeric_limits<double>::quiet_NaN();
  double seconds = 0.0;
  double blocks_run = 0.0;  // residual blocks run per step, on average over the epoch
  double learning_rate = 0.0;
  // mean |∂loss/∂w| of the first block's first convolution, over the steps it ran in
  double gradient = std::numeric_limits<double>::quiet_NaN();
  // of the running average of the weights
  double average_validation_error = std::numeric_limits<double>::quiet_NaN();
  double average_test_error = std::numeric_limits<double>::quiet_NaN();
};

/// What the network loses with each of its blocks alone: errors in percent.
struct BlockHarm {
  std::string set;              // the pictures it was measured on: "validation"
  double whole = 0.0;           // with every block
  std::vector<double> without;  // [residual blocks]; empty: not measured
};

/// What the report shows.
struct RunReport {
  std::string title;  // "resnet110 on CIFAR-10, linear decay to 0.5"
  // command line, data, model, parameters, survival, seed, …: shown as they are
  std::vector<std::pair<std::string, std::string>> facts;
  std::vector<EpochRow> rows;
  int residual_blocks = 0;       // of the network; 0: has none, and the report none of their charts
  double expected_blocks = 0.0;  // sum of the survival probabilities
  BlockHarm harm = {};
  std::vector<SummaryRow> layers = {};  // of the network; empty: it is not drawn
  std::vector<double> survival = {};    // [residual blocks]
  Classification classification = {};   // without pictures: not shown
};

/// 3725.4 as "1 h 2 min", 65 as "1 min 5 s", 9.21 as "9.2 s".
[[nodiscard]] inline std::string duration_text(double seconds) {
  if (!(seconds >= 60.0)) return fixed_point(seconds, 1) + " s";
  if (seconds >= 1e9) return decimal(seconds, 3) + " s";
  const auto whole = static_cast<long long>(std::lround(seconds));
  if (whole < 3600) return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
  return std::to_string(whole / 3600) + " h " + std::to_string(whole % 3600 / 60) + " min";
}

/// A chart with its title and a legend that ends in the last values, where there are any; curves without a
/// single value are left out.
[[nodiscard]] inline std::string figure_of(Chart chart) {
  std::erase_if(chart.curves, [](const Curve& curve) {
    return std::none_of(curve.values.begin(), curve.values.end(), drawable);
  });
  std::string html = "<figure>\n<h2>" + escaped(chart.title) + "</h2>\n<div>";
  for (const Curve& curve : chart.curves)
    html += "<span class='key'><i class='" + curve.style + "'></i>" + escaped(curve.name) + " " +
            value_text(curve.values.back()) + "</span>";
  return html + "</div>\n" + svg_of(chart) + "</figure>\n";
}

/// Error without each block.
[[nodiscard]] inline std::string harm_chart(const BlockHarm& harm) {
  std::vector<int> blocks;
  for (std::size_t block = 0; block < harm.without.size(); ++block) blocks.push_back(static_cast<int>(block));
  return figure_of(
      {.title = "Error without one block",
       .unit = "percent of the " + harm.set + " images",
       .epochs = blocks,
       .counted = "block",
       .curves = {{"without block " + std::to_string(blocks.back()), "validation", harm.without}},
       .levels = {{harm.whole, "all blocks " + decimal(harm.whole, 4)}},
       .may_be_log = true});
}

/// The charts of a run: loss, error, blocks run, gradient, learning rate.
[[nodiscard]] inline std::string charts_of(const RunReport& report) {
  const auto column = [&](double EpochRow::* field) {
    std::vector<double> values;
    for (const EpochRow& row : report.rows) values.push_back(row.*field);
    return values;
  };
  std::vector<int> epochs;
  std::vector<Mark> changes;
  for (const EpochRow& row : report.rows) {
    if (!epochs.empty() && !exactly(row.learning_rate, report.rows[epochs.size() - 1].learning_rate))
      changes.push_back({static_cast<double>(row.epoch), "learning rate " + decimal(row.learning_rate, 3)});
    epochs.push_back(row.epoch);
  }
  if (changes.size() > 4) changes.clear();  // a rate that changes all the time is a curve, not an event

  std::string html = "<div class='charts'>\n";
  html += figure_of(
      {.title = "Error",
       .unit = "percent",
       .epochs = epochs,
       .curves = {{"train", "train", column(&EpochRow::train_error)},
                  {"validation", "validation", column(&EpochRow::validation_error)},
                  {"test", "test", column(&EpochRow::test_error)},
                  {"validation, average", "validation average", column(&EpochRow::average_validation_error)},
                  {"test, average", "test average", column(&EpochRow::average_test_error)}},
       .changes = changes,
       .from_zero = true});
  html += figure_of({.title = "Loss",
                     .unit = "cross-entropy per image",
                     .epochs = epochs,
                     .curves = {{"train", "train", column(&EpochRow::train_loss)}},
                     .changes = changes,
                     .may_be_log = true});
  if (report.residual_blocks > 0) {
    std::vector<Mark> levels = {
        {static_cast<double>(report.residual_blocks), "all " + std::to_string(report.residual_blocks)}};
    if (report.expected_blocks < report.residual_blocks)
      levels.push_back({report.expected_blocks, "expected " + decimal(report.expected_blocks, 4)});
    html += figure_of({.title = "Residual blocks run",
                       .unit = "blocks per step, mean",
                       .epochs = epochs,
                       .curves = {{"run", "train", column(&EpochRow::blocks_run)}},
                       .levels = levels,
                       .from_zero = true});
  }
  const std::vector<double> gradients = column(&EpochRow::gradient);
  if (std::any_of(gradients.begin(), gradients.end(), drawable))
    html += figure_of({.title = "Gradient of the first block's first convolution",
                       .unit = "mean |∂loss/∂w|",
                       .epochs = epochs,
                       .curves = {{"gradient", "train", gradients}},
                       .changes = changes,
                       .may_be_log = true});
  html += figure_of({.title = "Learning rate",
                     .unit = "rate",
                     .epochs = epochs,
                     .curves = {{"learning rate", "train", column(&EpochRow::learning_rate)}},
                     .from_zero = true,
                     .may_be_log = true});
  if (!report.harm.without.empty()) html += harm_chart(report.harm);
  return html + "</div>\n";
}

/// The last figures: errors, loss, time, blocks run.
[[nodiscard]] inline std::string figures_of(const RunReport& report) {
  const EpochRow& last = report.rows.back();
  double seconds = 0.0, blocks = 0.0;
  for (const EpochRow& row : report.rows) {
    seconds += row.seconds;
    blocks += row.blocks_run / static_cast<double>(report.rows.size());
  }
  std::string html = "<div class='figures'>\n";
  const auto add = [&](const std::string& figure, const std::string& what) {
    html += "<div><b>" + figure + "</b><span>" + what + "</span></div>\n";
  };
  const auto add_error = [&](double error, const std::string& what) {
    if (!std::isnan(error))
      add(fixed_point(error, 2) + " %", what + " after epoch " + std::to_string(last.epoch));
  };
  add_error(last.test_error, "test error");
  add_error(last.validation_error, "validation error");
  const Classification& found = report.classification;
  if (found.images() > 0 && found.classes() > Classification::top)
    add(fixed_point(found.top_error(), 2) + " %", "top-5 " + found.set() + " error");
  add(decimal(last.train_loss, 4), "training loss");
  const std::size_t epochs = report.rows.size();
  add(duration_text(seconds), epochs == 1
                                  ? "1 epoch"
                                  : std::to_string(epochs) + " epochs, " +
                                        duration_text(seconds / static_cast<double>(epochs)) + " each");
  if (report.residual_blocks > 0)
    add(decimal(blocks, 4) + " of " + std::to_string(report.residual_blocks), "residual blocks run per step");
  return html + "</div>\n";
}

/// The page as text.
[[nodiscard]] inline std::string report_html(const RunReport& report) {
  std::string html = page_head(report.title);
  html += report.rows.empty() ? "<p class='none'>No epoch is complete yet.</p>\n"
                              : figures_of(report) + charts_of(report);
  if (report.classification.images() > 0)
    html += confusion_part(report.classification) + mistakes_part(report.classification);
  if (!report.layers.empty()) html += network_part(report.layers, report.survival);
  html += "<div class='facts'><table>\n";
  for (const auto& [name, value] : report.facts)
    html += "<tr><th>" + escaped(name) + "</th><td>" + escaped(value) + "</td></tr>\n";
  return html + "</table></div>\n</body>\n</html>\n";
}

/// Writes the page, replacing an older one only when it is complete. Throws Error where that fails.
inline void write_report(const std::filesystem::path& path, const RunReport& report) {
  write_file_atomically(path, report_html(report));
}

}  // namespace sdepth::inline SDEPTH_ISA::program
