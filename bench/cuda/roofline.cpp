// Bytes and operations of a training step, stage by stage, and the least time for them on an H100. roofline
// prints the table of docs/cuda.md, `roofline --check FILE` compares it with the one there, `roofline --write
// FILE` puts it there; `roofline --storage bf16` prints that of activations in bfloat16. See counting.hpp for
// what is counted.
#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <sdepth/core/bfloat16.hpp>
#include <sdepth/models/cifar_resnet.hpp>

#include "least_time.hpp"

namespace sdepth::roofline {
namespace {

constexpr int batch = 128;
constexpr int draws = 1000;  // steps whose gates the expected figures are the mean over
using Net = CifarResNet<110>;

struct Row {
  Work work;
  int count = 0;
};

std::string text(const char* format, double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, format, value);
  return buffer;
}

/// With two digits behind the point, unless nothing but zeros would be left.
std::string two(double value) { return value < 0.005 ? "< 0.01" : text("%.2f", value); }

/// What stages are called, in the order of the table.
constexpr std::array<std::string_view, 13> kinds = {
    "images", "gates",  "forward",        "shortcut",        "finish", "pool", "linear",
    "loss",   "logits", "input gradient", "weight gradient", "BN",     "SGD"};
std::size_t kind_of(const Work& work) {
  const auto is = [&](std::string_view kind) { return work.stage.starts_with(kind); };
  return static_cast<std::size_t>(std::find_if(kinds.begin(), kinds.end(), is) - kinds.begin());
}

void total_line(std::ostream& out, const std::string& name, const Total& total) {
  out << "| " << name << " | " << text("%.0f", total.kernels) << " | " << text("%.0f", total.steps) << " | "
      << text("%.0f", total.submissions) << " | " << text("%.2f", total.bytes / 1e9) << " | "
      << text("%.1f", total.operations / 1e9) << " | " << text("%.2f", total.fp32 / 1e3) << " | "
      << text("%.0f", batch / total.fp32 * 1e6) << " | " << text("%.2f", total.tf32 / 1e3) << " | "
      << text("%.0f", batch / total.tf32 * 1e6) << " |\n";
}

/// The lines for whole steps, under what `name` calls them. @tparam Stored  what activations lie in memory as
template <class Stored>
std::string whole_steps(const std::string& name) {
  Steps<Net, Stored> steps(batch);
  Total open, expected;
  open.add(steps.open());
  for (int i = 0; i < draws; ++i) expected.add(steps.drawn(), 1.0 / draws);
  std::ostringstream out;
  out << "\n| " << name
      << " | kernels | in a row | handed over | GB | GFLOP | float32 ms | images/s | TF32 ms | images/s |\n"
      << "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n";
  total_line(out, "all 54 blocks open", open);
  total_line(out, "linear decay to 0.5, mean of 1,000 steps", expected);
  return out.str();
}

template <class Stored>
std::string table() {
  Steps<Net, Stored> steps(batch);
  const Recorded all = steps.open();
  std::vector<Row> rows;
  for (const Work& work : all.stages) {
    const auto same = [&](const Row& row) {
      return row.work.stage == work.stage && row.work.reads == work.reads && row.work.bytes == work.bytes;
    };
    auto row = std::find_if(rows.begin(), rows.end(), same);
    if (row == rows.end()) row = rows.insert(rows.end(), Row{work, 0});
    ++row->count;
  }
  std::ostringstream out;
  out << "| stage | on the way | times | MB | MFLOP | memory µs | fp32 µs | TF32 µs | fp32: least, binds | TF32: least, binds |\n"
      << "|---|---|--:|--:|--:|--:|--:|--:|---|---|\n";
  for (std::size_t kind = 0; kind < kinds.size(); ++kind)
    for (const Row& row : rows) {
      if (kind_of(row.work) != kind) continue;
      const Bound bound(row.work);
      const auto least = [&](bool use_tf32) {
        return two(bound.least(use_tf32)) + " " + bound.binds(use_tf32);
      };
      out << "| " << row.work.stage << " | " << row.work.reads << " | " << row.count << " | "
          << two(row.work.bytes / 1e6) << " | " << two((row.work.products + row.work.operations) / 1e6)
          << " | " << two(bound.memory) << " | " << two(bound.fp32) << " | " << two(bound.tf32) << " | "
          << least(false) << " | " << least(true) << " |\n";
    }
  out << "\n| all blocks open | kernels | GB | GFLOP | float32 ms | TF32 ms |\n|---|--:|--:|--:|--:|--:|\n";
  for (std::size_t kind = 0; kind < kinds.size(); ++kind) {
    Total total;
    for (const Work& work : all.stages)
      if (kind_of(work) == kind) total.add(work);
    if (total.kernels > 0)
      out << "| " << kinds[kind] << " | " << text("%.0f", total.kernels) << " | "
          << text("%.2f", total.bytes / 1e9) << " | " << text("%.1f", total.operations / 1e9) << " | "
          << text("%.3f", total.fp32 / 1e3) << " | " << text("%.3f", total.tf32 / 1e3) << " |\n";
  }
  return out.str() + whole_steps<Stored>("a whole step");
}

constexpr const char* begin = "<!-- roofline: begin -->\n";
constexpr const char* end = "<!-- roofline: end -->\n";

int run(const std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments == std::vector<std::string>{"--storage", "float32"})
    return std::cout << table<float>(), 0;
  if (arguments == std::vector<std::string>{"--storage", "bf16"}) return std::cout << table<bfloat16>(), 0;
  if (arguments.size() != 2 || (arguments[0] != "--check" && arguments[0] != "--write")) {
    std::cerr
        << "roofline: expected nothing, --storage float32, --storage bf16, --check FILE or --write FILE.\n";
    return 2;
  }
  const std::string& file = arguments[1];
  std::ostringstream read;
  read << std::ifstream(file).rdbuf();
  const std::string before = read.str();
  const auto from = before.find(begin), to = before.find(end);
  if (from == std::string::npos || to == std::string::npos || to < from) {
    std::cerr
        << "roofline: " << file
        << " has no lines `<!-- roofline: begin -->` and `<!-- roofline: end -->` to put the table between.\n";
    return 1;
  }
  const std::string after = before.substr(0, from) + begin + "\n" + table<float>() +
                            whole_steps<bfloat16>("a whole step, activations in bfloat16") + "\n" +
                            before.substr(to);
  if (arguments[0] == "--write") return (std::ofstream(file) << after) ? 0 : 1;
  if (before == after) return 0;
  std::istringstream there(before), here(after);
  std::string old_line, new_line;
  while (std::getline(there, old_line) && std::getline(here, new_line) && old_line == new_line) {
  }
  std::cerr << "roofline: the table in " << file
            << " is not what the network gives; write it anew with --write. The first difference:\n"
            << "there:    " << old_line << "\nexpected: " << new_line << '\n';
  return 1;
}

}  // namespace
}  // namespace sdepth::roofline

int main(int count, char** arguments) {
  try {
    return sdepth::roofline::run({arguments + 1, arguments + count});
  } catch (const std::exception& error) {
    std::cerr << "roofline: " << error.what() << '\n';
    return 1;
  }
}
