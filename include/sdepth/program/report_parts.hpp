// Parts of report.html: the network as a row of blocks, and how it classifies pictures.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <sdepth/io/summary.hpp>
#include <sdepth/io/text.hpp>
#include <sdepth/program/chart.hpp>
#include <sdepth/program/classification.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// Of how many classes the tables show all.
inline constexpr int most_classes = 20;

/// The network from input to output, a line for each word, a square for each residual block: the fainter, the
/// less often it runs.
/// @param survival  [residual blocks]
[[nodiscard]] inline std::string network_part(const std::vector<SummaryRow>& layers,
                                              const std::vector<double>& survival) {
  std::string html = "<figure class='network'>\n<h2>Network, with survival probabilities</h2>\n<table>\n";
  std::size_t block = 0;
  for (const SummaryRow& row : layers) {
    if (row.inside) continue;
    html += "<tr><th>" + escaped(row.layer) + "</th><td>";
    for (int i = 0; i < row.blocks && block < survival.size(); ++i, ++block) {
      const std::string p = decimal(survival[block], 4);
      html += "<i class='block' style='opacity:" + decimal(0.15 + 0.85 * survival[block], 3) +
              "' title='block " + std::to_string(block) + " survives with probability " + p + "'></i>";
    }
    if (row.blocks > 0 && block > 0) {
      const std::string from = decimal(survival[block - static_cast<std::size_t>(row.blocks)], 4),
                        to = decimal(survival[block - 1], 4);
      html += " " + from + (from == to ? "" : " … " + to);
    }
    html += "</td><td>" + std::to_string(row.output.channels) + " x " + std::to_string(row.output.height) +
            " x " + std::to_string(row.output.width) + "</td></tr>\n";
  }
  return html + "</table></figure>\n";
}

/// Which classes are taken for which: all of them, or where they are many the most frequent mistakes.
[[nodiscard]] inline std::string confusion_part(const Classification& found) {
  const int classes = found.classes();
  std::string html = "<figure class='confusion'>\n<h2>Confusion of the " + escaped(found.set()) +
                     " pictures</h2>\n<table>\n";
  if (classes <= most_classes) {
    html += "<tr><th>class, taken for</th>";
    for (int c = 0; c < classes; ++c) html += "<th>" + escaped(found.name(c)) + "</th>";
    html += "<th>error</th></tr>\n";
    for (int label = 0; label < classes; ++label) {
      const auto all = static_cast<double>(std::max<std::int64_t>(found.images_of(label), 1));
      html += "<tr><th>" + escaped(found.name(label)) + "</th>";
      for (int c = 0; c < classes; ++c) {
        const std::int64_t count = found.count(label, c);
        html += std::string("<td") + (c == label ? " class='right'" : "") +
                " style='--share:" + decimal(static_cast<double>(count) / all, 3) + "'>" +
                (count > 0 ? std::to_string(count) : "") + "</td>";
      }
      html += "<td>" + value_text(found.error_of(label)) + (found.images_of(label) > 0 ? " %" : "") +
              "</td></tr>\n";
    }
    return html + "</table></figure>\n";
  }
  struct Mistake {
    int label, predicted;
    std::int64_t count;
  };
  std::vector<Mistake> mistakes;
  std::vector<int> worst;
  for (int label = 0; label < classes; ++label) {
    if (found.images_of(label) > 0) worst.push_back(label);
    for (int c = 0; c < classes; ++c)
      if (c != label && found.count(label, c) > 0) mistakes.push_back({label, c, found.count(label, c)});
  }
  std::ranges::sort(mistakes, [](const Mistake& a, const Mistake& b) {
    return std::tuple(-a.count, a.label, a.predicted) < std::tuple(-b.count, b.label, b.predicted);
  });
  std::ranges::sort(worst, [&](int a, int b) {
    return std::pair(-found.error_of(a), a) < std::pair(-found.error_of(b), b);
  });
  mistakes.resize(std::min<std::size_t>(mistakes.size(), most_classes));
  worst.resize(std::min<std::size_t>(worst.size(), most_classes));
  html += "<tr><th>class</th><th>taken for</th><th>pictures</th></tr>\n";
  for (const Mistake& mistake : mistakes)
    html += "<tr><td>" + escaped(found.name(mistake.label)) + "</td><td>" +
            escaped(found.name(mistake.predicted)) + "</td><td>" + std::to_string(mistake.count) +
            "</td></tr>\n";
  html +=
      "</table>\n<h2>Classes with the largest errors</h2>\n<table>\n<tr><th>class</th><th>error</th><th>pictures</th></tr>\n";
  for (const int label : worst)
    html += "<tr><td>" + escaped(found.name(label)) + "</td><td>" + value_text(found.error_of(label)) +
            " %</td><td>" + std::to_string(found.images_of(label)) + "</td></tr>\n";
  return html + "</table></figure>\n";
}

/// The pictures that the network is most wrong about, each with what it takes it for.
[[nodiscard]] inline std::string mistakes_part(const Classification& found) {
  if (found.worst().empty()) return "";
  std::string html =
      "<figure class='mistakes'>\n<h2>Most wrong of the " + escaped(found.set()) + " pictures</h2>\n<div>\n";
  const auto percent_text = [](double p) { return decimal(100 * p, 3) + " %"; };
  for (const WrongPicture& picture : found.worst()) {
    const std::string label = escaped(found.name(picture.label)),
                      predicted = escaped(found.name(picture.predicted));
    html += "<span title='picture " + std::to_string(picture.record) + ": " + label + " " +
            percent_text(picture.label_probability) + "'>";
    if (!picture.thumbnail.empty()) html += "<img alt='" + label + "' src='" + picture.thumbnail + "'>";
    html +=
        "<b>" + label + "</b>taken for " + predicted + ", " + percent_text(picture.probability) + "</span>\n";
  }
  return html + "</div></figure>\n";
}

}  // namespace sdepth::inline SDEPTH_ISA::program
