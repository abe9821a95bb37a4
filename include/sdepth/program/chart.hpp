// Line charts as SVG, for the report: curves over the epochs with axes, ticks and a value to read at every
// epoch, without a script. Colours are CSS variables of the page (see report.hpp), so that a chart is
// readable in light and in dark.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sdepth/io/text.hpp>
#include <sdepth/core/utf8.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// `text` for HTML and SVG, in content and in attributes; what is no UTF-8 in it, as a path may hold, is
/// shown as U+FFFD.
[[nodiscard]] inline std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : shown_as_utf8(text)) {
    if (c == '&')
      result += "&amp;";
    else if (c == '<')
      result += "&lt;";
    else if (c == '>')
      result += "&gt;";
    else if (c == '"')
      result += "&quot;";
    else if (c == '\'')
      result += "&#39;";
    else
      result += c;
  }
  return result;
}

/// One curve: a value for each epoch, not-a-number where there is none. `style` is its CSS class: train,
/// validation or test.
struct Curve {
  std::string name;
  std::string style;
  std::vector<double> values;
};

/// A line across the chart: horizontal at a value, vertical at an epoch.
struct Mark {
  double at = 0.0;
  std::string label;
};

/// Whether a value has a place in a chart: finite, and small enough to compute with.
[[nodiscard]] inline bool drawable(double value) noexcept { return std::abs(value) < 1e100; }

/// A value to be read beside its curve; a dash where there is none.
[[nodiscard]] inline std::string value_text(double value) {
  return std::isfinite(value) ? decimal(value, 4) : "–";
}

/// What one chart shows. `epochs` rises; every curve has as many values.
struct Chart {
  std::string title = {};
  std::string unit = {};  // of the values, written at the axis: "percent"
  std::vector<int> epochs = {};
  std::string counted = "epoch";  // what the whole numbers of `epochs` count
  std::vector<Curve> curves = {};
  // horizontal, the highest first: its label stands above its line, the others' below theirs
  std::vector<Mark> levels = {};
  std::vector<Mark> changes = {};  // vertical
  bool from_zero = false;          // the axis of values begins at 0
  // a logarithmic axis if the values, all above 0, span a factor of 20 or more
  bool may_be_log = false;
};

/// An axis: where values lie between its ends, and the values that get a tick.
struct Axis {
  double low = 0.0;
  double high = 1.0;
  bool log = false;
  std::vector<double> ticks;

  /// 0 at the low end, 1 at the high end.
  [[nodiscard]] double position(double value) const noexcept {
    return log ? std::log(value / low) / std::log(high / low) : (value - low) / (high - low);
  }
};

/// The smallest 1, 2 or 5 times a power of ten that divides `range` into at most `most` steps.
[[nodiscard]] inline double tick_step(double range, int most) noexcept {
  const double raw = range / most;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= raw * (1.0 - 1e-9)) return factor * power;
  return 10.0 * power;
}

/// An axis of values that reaches from the tick below the lowest to the tick above the highest.
[[nodiscard]] inline Axis value_axis(double lowest, double highest, bool from_zero, bool may_be_log) {
  constexpr double tiny = 1e-100;  // anything below is drawn as zero
  constexpr double nearly = 1e-9;  // of a step: ticks are sums and products, and not exact
  Axis axis;
  if (may_be_log && lowest > tiny && highest >= 20.0 * lowest) {
    axis.log = true;
    const bool only_powers = highest > 1e4 * lowest;
    const auto enough = [&] { return !axis.ticks.empty() && axis.ticks.back() >= highest * (1.0 - nearly); };
    for (double power = std::pow(10.0, std::floor(std::log10(lowest))); !enough(); power *= 10.0)
      for (const double factor : {1.0, 2.0, 5.0}) {
        if ((only_powers && factor > 1.0) || enough()) break;
        if (factor * power <= lowest) axis.ticks.clear();  // those before lie below all values
        axis.ticks.push_back(factor * power);
      }
  } else {
    if (from_zero) lowest = std::min(lowest, 0.0);
    // one value, or all the same: room above and below
    if (highest - lowest <= std::max(tiny, nearly * std::abs(highest))) {
      const double room = std::abs(highest) <= tiny ? 1.0 : 0.1 * std::abs(highest);
      highest += room;
      if (!from_zero) lowest -= room;
    }
    constexpr int most_steps = 6;
    const double step = tick_step(highest - lowest, most_steps);
    const double first = std::floor(lowest / step + nearly), last = std::ceil(highest / step - nearly);
    for (double i = first; i <= last; ++i) axis.ticks.push_back(i * step);
  }
  axis.low = axis.ticks.front();
  axis.high = axis.ticks.back();
  return axis;
}

/// An axis of whole epochs with the first and the last at its ends.
[[nodiscard]] inline Axis epoch_axis(int first, int last) {
  Axis axis{static_cast<double>(first), static_cast<double>(last), false, {}};
  if (first == last) {
    axis.low -= 0.5;
    axis.high += 0.5;
  }
  constexpr int most_steps = 10;
  const double step = std::max(1.0, tick_step(std::max(1.0, axis.high - axis.low), most_steps));
  for (double tick = std::ceil(axis.low / step) * step; tick <= axis.high; tick += step)
    axis.ticks.push_back(tick);
  return axis;
}

/// Where things lie in the drawing, in its units: 640 × 300, with room for labels around the curves.
struct Plot {
  static constexpr double left = 56, right = 628, top = 26, bottom = 256;
  Axis epochs;
  Axis values;

  [[nodiscard]] static std::string text(double place) { return fixed_point(place, 1); }
  [[nodiscard]] std::string x(double epoch) const {
    return text(left + (right - left) * epochs.position(epoch));
  }
  [[nodiscard]] std::string y(double value) const {
    return text(bottom - (bottom - top) * values.position(value));
  }
};

/// Grid, ticks and their numbers, units.
[[nodiscard]] inline std::string axes_of(const Plot& plot, const std::string& unit,
                                         const std::string& counted) {
  const std::string right = Plot::text(Plot::right), before = Plot::text(Plot::left - 8);
  const std::string bottom = Plot::text(Plot::bottom), below = Plot::text(Plot::bottom + 20);
  std::string svg =
      "<text x='8' y='14'>" + escaped(unit) + (plot.values.log ? ", logarithmic" : "") + "</text>\n";
  svg += "<text x='" + right + "' y='292' text-anchor='end'>" + escaped(counted) + "</text>\n";
  for (const double tick : plot.values.ticks) {
    svg += "<path class='grid' d='M" + Plot::text(Plot::left) + " " + plot.y(tick) + "H" + right + "'/>";
    svg += "<text x='" + before + "' y='" + plot.y(tick) + "' dy='4' text-anchor='end'>" + decimal(tick, 6) +
           "</text>\n";
  }
  for (const double tick : plot.epochs.ticks) {
    svg += "<path class='tick' d='M" + plot.x(tick) + " " + bottom + "v5'/>";
    svg += "<text x='" + plot.x(tick) + "' y='" + below + "' text-anchor='middle'>" + decimal(tick, 9) +
           "</text>\n";
  }
  return svg;
}

/// The marks, dashed, each with its label beside it.
[[nodiscard]] inline std::string marks_of(const Plot& plot, const Chart& chart) {
  std::string svg;
  for (const Mark& change : chart.changes) {
    const bool near_right = plot.epochs.position(change.at) > 0.8;
    svg += "<path class='mark' d='M" + plot.x(change.at) + " " + Plot::text(Plot::top) + "V" +
           Plot::text(Plot::bottom) + "'/>";
    svg += "<text x='" + plot.x(change.at) + "' y='" + Plot::text(Plot::top + 10) +
           "' dx=" + (near_right ? "'-4' text-anchor='end'" : "'4'");
    svg += ">" + escaped(change.label) + "</text>\n";
  }
  for (const Mark& level : chart.levels) {
    const bool highest = &level == &chart.levels.front();
    svg += "<path class='mark' d='M" + Plot::text(Plot::left) + " " + plot.y(level.at) + "H" +
           Plot::text(Plot::right) + "'/>";
    svg += "<text x='" + Plot::text(Plot::right - 4) + "' y='" + plot.y(level.at) +
           "' dy=" + (highest ? "'-5'" : "'14'");
    svg += " text-anchor='end'>" + escaped(level.label) + "</text>\n";
  }
  return svg;
}

/// A curve, interrupted where a value cannot be drawn; a value without neighbours is a dot.
[[nodiscard]] inline std::string line_of(const Plot& plot, const std::vector<int>& epochs,
                                         const Curve& curve) {
  std::string line, dots;
  const auto shown = [&](std::size_t i) { return i < curve.values.size() && drawable(curve.values[i]); };
  bool pen_down = false;
  for (std::size_t i = 0; i < curve.values.size(); ++i) {
    if (shown(i)) {
      const std::string x = plot.x(epochs[i]), y = plot.y(curve.values[i]);
      line += (pen_down ? "L" : "M") + x + " " + y;
      if (!pen_down && !shown(i + 1))
        dots += "<circle class='" + curve.style + "' cx='" + x + "' cy='" + y + "' r='3.5'/>";
    }
    pen_down = shown(i);
  }
  return "<path class='curve " + curve.style + "' d='" + line + "'/>" + dots + "\n";
}

/// Unseen strips, one per epoch, whose titles with the values browsers show under the pointer.
[[nodiscard]] inline std::string strips_of(const Plot& plot, const Chart& chart) {
  std::string svg;
  std::string from = plot.x(plot.epochs.low);
  for (std::size_t i = 0; i < chart.epochs.size(); ++i) {
    const bool last = i + 1 == chart.epochs.size();
    const std::string to = plot.x(last ? plot.epochs.high : (chart.epochs[i] + chart.epochs[i + 1]) / 2.0);
    svg += "<path class='strip' d='M" + from + " " + Plot::text(Plot::top) + "H" + to + "V" +
           Plot::text(Plot::bottom) + "H" + from + "z'>";
    svg += "<title>" + escaped(chart.counted) + " " + std::to_string(chart.epochs[i]);
    for (const Curve& curve : chart.curves)
      svg += "&#10;" + escaped(curve.name) + " " + value_text(curve.values[i]);
    svg += "</title></path>\n";
    from = to;
  }
  return svg;
}

/// The chart as an SVG element, as wide as the page lets it be.
[[nodiscard]] inline std::string svg_of(const Chart& chart) {
  double lowest = std::numeric_limits<double>::infinity(), highest = -lowest;
  const auto include = [&](double value) {
    if (!drawable(value)) return;
    lowest = std::min(lowest, value);
    highest = std::max(highest, value);
  };
  for (const Curve& curve : chart.curves)
    for (const double value : curve.values) include(value);
  for (const Mark& level : chart.levels) include(level.at);
  if (chart.epochs.empty() || highest < lowest) return "<p class='none'>Nothing to draw yet.</p>\n";

  const Plot plot{epoch_axis(chart.epochs.front(), chart.epochs.back()),
                  value_axis(lowest, highest, chart.from_zero, chart.may_be_log)};
  std::string svg = "<svg viewBox='0 0 640 300' role='img' aria-label='" + escaped(chart.title) + "'>\n";
  svg += axes_of(plot, chart.unit, chart.counted) + marks_of(plot, chart);
  for (const Curve& curve : chart.curves) svg += line_of(plot, chart.epochs, curve);
  return svg + strips_of(plot, chart) + "</svg>\n";
}

}  // namespace sdepth::inline SDEPTH_ISA::program
