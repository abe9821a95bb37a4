// A trained network as a C++ header: its type, and its weights as an array that the compiler puts into the
// program. Who includes it predicts without files.
//
//     #include "digits.hpp"
//     auto network = digits::inference();                     // takes all memory that is ever needed
//     digits::normalize(pixels, image);                       // from a picture's bytes, where that is known
//     network.predict(sdepth::NHWC<float>{image}, logits);    // [H, W, C]; logits: digits::classes floats
#pragma once

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstddef>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/io/file.hpp>
#include <sdepth/io/text.hpp>
#include <sdepth/io/trained_network.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// A layer as the words of a network.
[[nodiscard]] inline std::string words_of(const LayerDescription& layer) {
  const auto list = [](const char* word, std::initializer_list<int> arguments, const std::string& last = "") {
    std::string text = std::string(word) + "<";
    for (const int argument : arguments) text += (text.ends_with('<') ? "" : ", ") + std::to_string(argument);
    return text + last + ">";
  };
  const auto bias = [](bool learned) {
    return learned ? std::string(", Bias::learned") : std::string(", Bias::none");
  };
  if (const auto* s = std::get_if<ConvShape>(&layer.what))
    return list("Conv", {s->channels_out, s->kernel, s->stride},
                bias(s->bias) + ", " + std::to_string(s->padding));
  if (const auto* s = std::get_if<LinearShape>(&layer.what))
    return list("Linear", {s->features}, bias(s->bias));
  if (std::holds_alternative<NormDescription>(layer.what)) return "BN";
  if (const auto* a = std::get_if<ActivationDescription>(&layer.what)) return a->spelling;
  const PoolShape& s = std::get<PoolShape>(layer.what);
  const bool whole = s.window_height == s.in.height && s.window_width == s.in.width && s.padding == 0;
  if (s.kind == PoolKind::average && whole) return "GlobalAvgPool";
  return list(s.kind == PoolKind::average ? "AvgPool" : "MaxPool", {s.window_height, s.stride, s.padding});
}

/// A residual block as a word.
[[nodiscard]] inline std::string word_of(const BlockDescription& block) {
  std::string text = std::string("BasicResidual<") +
                     (block.projects     ? "ProjectionShortcut"
                      : block.subsamples ? "SubsampleShortcut"
                                         : "PoolShortcut") +
                     ", " + (block.after_sum ? block.after_sum->spelling : "NoActivation");
  for (const LayerDescription& layer : block.branch) text += ", " + words_of(layer);
  return text + ">";
}

/// A number as a literal that is exactly it.
[[nodiscard]] inline std::string float_literal(float value) {
  char text[32];
  std::string literal(text, std::to_chars(text, text + sizeof(text), value).ptr);
  if (literal.find_first_of(".e") == std::string::npos) literal += ".0";
  return literal + "F";
}

/// Appends `items`, separated by commas, in lines of up to 110 characters.
inline void append_list(std::string& text, const std::vector<std::string>& items, const std::string& indent) {
  std::string line = indent;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::string item = items[i] + (i + 1 < items.size() ? "," : "");
    constexpr std::size_t longest = 110;
    if (line.size() + item.size() + 1 > longest && line != indent) {
      text += line + "\n";
      line = indent;
    }
    line += (line == indent ? "" : " ") + item;
  }
  text += line;
}

/// Whether a text is a name of C++, and none that has a meaning there or in a header.
[[nodiscard]] inline bool is_cpp_name(std::string_view name) {
  constexpr std::string_view words =
      " alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t"
      " char32_t class compl concept const consteval constexpr constinit const_cast continue"
      " co_await co_return co_yield decltype default delete do double dynamic_cast else enum"
      " explicit export extern false float for friend goto if inline int long mutable namespace new"
      " noexcept not not_eq nullptr operator or or_eq private protected public register"
      " reinterpret_cast requires return short signed sizeof static static_assert static_cast struct"
      " switch template this thread_local throw true try typedef typeid typename union unsigned"
      " using virtual void volatile wchar_t while xor xor_eq std sdepth main ";
  const auto is_letter = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; };
  return !name.empty() && !std::isdigit(static_cast<unsigned char>(name[0])) &&
         std::all_of(name.begin(), name.end(), is_letter) &&
         words.find(" " + std::string(name) + " ") == std::string_view::npos;
}

/// What stands in a header.
struct CppHeaderOptions {
  std::string name;                                   // of the namespace
  std::string comment;                                // one line more about the network; may be empty
  std::optional<InputNormalization> normalization{};  // makes normalize, from bytes to what the network reads
};

/// `mean`, `scale` and `normalize` of a header.
[[nodiscard]] inline std::string normalization_code(const InputNormalization& normalization, Shape in) {
  std::string text =
      "/// How pictures were normalised in training: (byte - mean) / scale, with numbers for each channel, row and\n"
      "/// column, for each channel, or one for all.\n";
  const auto append = [&](const char* name, const std::vector<float>& values) {
    std::vector<std::string> literals;
    for (const float value : values) literals.push_back(float_literal(value));
    text += "inline constexpr std::array<float, " + std::to_string(literals.size()) + "> " + name + "{\n";
    append_list(text, literals, "    ");
    text += "};\n";
  };
  append("mean", normalization.mean.empty() ? std::vector<float>(1, 0.0F) : normalization.mean);
  append("scale", normalization.scale);
  return text + R"(
/// What the network reads of a picture. @param pixels  [H, W, C], 0 to 255   @param image  the same
inline void normalize(std::span<const unsigned char, Net::input.size()> pixels,
                      std::span<float, Net::input.size()> image) noexcept {
  constexpr std::size_t channels = )" +
         std::to_string(in.channels) + ", of_channel = " + std::to_string(in.pixels()) + R"(;
  const auto at = [&](const auto& values, std::size_t i) {
    const std::size_t c = i % channels;
    return values[values.size() == 1 ? 0 : values.size() == channels ? c : c * of_channel + i / channels];
  };
  for (std::size_t i = 0; i < image.size(); ++i)
    image[i] = (static_cast<float>(pixels[i]) - at(mean, i)) / at(scale, i);
}

)";
}

/// The header's text. A block that does not run is not in it, but for the shortcut of one that changes the
/// shape. Throws Error where the name is none of C++, or an activation has no name that another file can say.
[[nodiscard]] inline std::string cpp_header(const TrainedNetwork& trained, const CppHeaderOptions& options) {
  const std::string& name = options.name;
  if (!is_cpp_name(name))
    fail(
        "header: expected a name of C++ for the namespace, letters, digits and _ and no word of the language, found ",
        in_quotes(name), "; give another one");

  std::size_t closed = 0, index = 0;
  for (const auto& part : trained.network.parts)
    if (const auto* block = std::get_if<BlockDescription>(&part))
      closed += !trained.keep[index++] && !block->identity;
  std::string gates;
  for (std::size_t i = 0; i < closed; ++i) gates += i > 0 ? ", 0" : "0";

  const Shape in = trained.network.input;
  std::vector<std::string> words{"Input<" + std::to_string(in.channels) + ", " + std::to_string(in.height) +
                                 ", " + std::to_string(in.width) + ">"};
  std::vector<bool> used(trained.network.tensors.size(), true);
  std::vector<std::string> scales, repeated;
  std::string last_block;
  const auto finish_row = [&] {
    if (last_block.empty()) return;
    words.push_back(repeated.size() > 1
                        ? "Repeat<" + std::to_string(repeated.size()) + ", " + last_block + ">"
                        : last_block);
    last_block.clear();
    repeated.clear();
  };
  index = 0;
  for (const auto& part : trained.network.parts) {
    if (const auto* layer = std::get_if<LayerDescription>(&part)) {
      finish_row();
      words.push_back(words_of(*layer));
      continue;
    }
    const auto& block = std::get<BlockDescription>(part);
    const std::size_t here = index++;
    if (!trained.keep[here]) {
      // The branch's tensors are left out.
      const std::size_t end =
          block.projection.empty() ? block.end_tensor : block.projection.front().first_tensor;
      for (std::size_t i = block.first_tensor; i < end; ++i) used[i] = false;
      if (block.identity) continue;
    }
    const std::string word = trained.keep[here]
                                 ? word_of(block)
                                 : "StochasticDepth<" + word_of(block) + ", FixedGates<" + gates + ">>";
    if (word != last_block || !block.identity) finish_row();
    last_block = word;
    repeated.push_back(word);
    char scale[40];
    scales.emplace_back(scale, std::to_chars(scale, scale + sizeof(scale), trained.scales[here]).ptr);
  }
  finish_row();
  for (const std::string& word : words)
    if (word.find_first_of("({") != std::string::npos)
      fail("header: ", in_quotes(word),
           " has no name outside of its file; give the activation a name in a namespace");

  std::vector<std::string> numbers;
  for (std::size_t i = 0; i < used.size(); ++i)
    if (used[i])
      for (const float number : trained.numbers[i]) numbers.push_back(float_literal(number));

  std::string text =
      "// A trained network, written by sdepth's export. " + options.comment +
      "\n//\n//     auto network = " + name + "::inference();\n" +
      (options.normalization
           ? "//     " + name + "::normalize(pixels, image);  // from a picture's bytes [H, W, C]\n"
           : "") +
      "//     network.predict(sdepth::NHWC<float>{image}, logits);  // image [H, W, C], normalised\n" +
      "#pragma once\n\n#include <array>\n#include <cstddef>\n#include <span>\n\n#include <sdepth/net.hpp>\n" +
      "#include <sdepth/run/numbers.hpp>\n\nnamespace " + name +
      " {\nusing namespace sdepth;\n\nusing Net = Network<\n";
  append_list(text, words, "    ");
  text +=
      ">;\n\ninline constexpr std::size_t classes = Net::output.size();\n\n/// The factors of the residual branches.\n" +
      std::string("inline constexpr std::array<double, ") + std::to_string(scales.size()) + "> scales{";
  if (!scales.empty()) text += "\n";
  append_list(text, scales, scales.empty() ? "" : "    ");
  text += "};\n\n";
  if (options.normalization) text += normalization_code(*options.normalization, in);
  text += "/// All tensors, in PyTorch's order and layout.\ninline constexpr std::array<float, " +
          std::to_string(numbers.size()) + "> numbers{\n";
  append_list(text, numbers, "    ");
  text +=
      "};\n\n/// Takes all memory that predicting needs. @param batch  images at once\n"
      "template <class Backend = Cpu<>>\n"
      "[[nodiscard]] Inference<Net, Backend> inference(int batch = 1, int threads = 1) {\n"
      "  return Inference<Net, Backend>(weights_from<Net, Backend>(numbers), {scales, Scaling::test, batch, threads});\n"
      "}\n\n}  // namespace " +
      name + "\n";
  return text;
}

/// Writes it. Throws Error where that is not possible; an older file is then left as it was.
inline void write_cpp_header(const std::filesystem::path& path, const TrainedNetwork& trained,
                             const CppHeaderOptions& options) {
  write_file_atomically(path, cpp_header(trained, options));
}

}  // namespace sdepth::inline SDEPTH_ISA
