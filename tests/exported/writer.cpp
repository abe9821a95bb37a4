// writer FOLDER: exports a network as headers, whole and shorter, with the logits that Inference has for some
// pictures, for reader.cpp to be compiled with.
#include <cstdio>
#include <exception>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <sdepth/activations/leaky_relu.hpp>
#include <sdepth/io/cpp_header.hpp>
#include <sdepth/io/file.hpp>
#include <sdepth/io/trained_network.hpp>
#include <sdepth/run/inference.hpp>

#include "../io/some_weights.hpp"
#include "network.hpp"

namespace {

using namespace sdepth;
using namespace sdepth::test;

void write(const std::filesystem::path& folder) {
  using exported::Net;
  const auto weights = some_weights<Net>();
  const std::vector<float> pictures = some_images<Net>(exported::images);
  std::string expected = "#pragma once\n\nnamespace expected {\n\n";
  const auto append = [&](const std::string& name, const std::vector<float>& numbers) {
    std::vector<std::string> literals;
    for (const float number : numbers) literals.push_back(float_literal(number));
    expected += "inline constexpr float " + name + "[]{\n";
    append_list(expected, literals, "    ");
    expected += "};\n\n";
  };
  append("images", pictures);
  for (const bool whole : {true, false}) {
    const DepthPlan plan = whole ? DepthPlan{} : DepthPlan{exported::shorter};
    const std::string name = whole ? "whole" : "shorter";
    // As a run's file has it: a scale and a mean picture [H, W, C], or the channels' means and their scales.
    const auto channels = static_cast<std::size_t>(Net::input.channels);
    std::vector<float> values, normalized;
    if (whole) values.push_back(3.5F);
    for (std::size_t i = 0; i < (whole ? Net::input.size() : 2 * channels); ++i)
      values.push_back(static_cast<float>(1 + 37 * i % 101));
    for (std::size_t i = 0; i < Net::input.size(); ++i) {
      const auto pixel = static_cast<float>(i % 256);
      normalized.push_back(whole ? (pixel - values[1 + i]) / values[0]
                                 : (pixel - values[i % channels]) / values[channels + i % channels]);
    }
    append(name + "_normalized", normalized);
    write_cpp_header(folder / (name + ".hpp"), trained_network(*weights, {}, Scaling::test, plan),
                     {.name = name, .comment = "", .normalization = input_normalization(values, Net::input)});
    Inference<Net, ReferenceDouble> inference(std::shared_ptr<const Weights<Net, ReferenceDouble>>(weights),
                                              {.batch = exported::images, .plan = plan});
    append(name, inference.predict(NHWC<float>{pictures}));
  }
  write_file_atomically(folder / "expected.hpp", expected + "}  // namespace expected\n");
}

}  // namespace

int main(int, char** words) {
  try {
    write(words[1]);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "writer: %s\n", error.what());
    return 1;
  }
}
