// Tensors by name in a file that every other framework reads: the container of weights and checkpoints.
//
//     8 bytes     n, the length of the header (little-endian)
//     n bytes     JSON {"name": {"dtype": "F32", "shape": [16, 3, 3, 3], "data_offsets": [begin, end]}, …, "__metadata__": {"key": "text"}}
//     the rest    the tensors' numbers, row-major, without gaps; the offsets count from here
//
// Source: https://github.com/huggingface/safetensors, "Format".
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <sdepth/core/error.hpp>
#include <sdepth/io/file.hpp>
#include <sdepth/io/text.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// One tensor. F32, and F64, F16 and BF16 read as float (F64 rounded, the others exact), have their numbers
/// in `values`, row-major. Integers and booleans are read with their name, shape and dtype but without
/// numbers: no weight of a network is one.
struct Tensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<float> values;
  // as found in the file; written is F32, or whole numbers as I64 where this says so
  std::string dtype = "F32";
};

/// The content of a file. Metadata are texts, and so the place for 64-bit integers, which a float would
/// round.
struct SafeTensors {
  std::map<std::string, std::string> metadata;
  std::vector<Tensor> tensors;

  /// The tensor of that name, or null; a linear search.
  [[nodiscard]] const Tensor* find(std::string_view name) const noexcept {
    const auto found = std::find_if(tensors.begin(), tensors.end(),
                                    [&](const Tensor& tensor) { return tensor.name == name; });
    return found == tensors.end() ? nullptr : &*found;
  }
};

/// Bytes of one number of a safetensors dtype; 0 for a name that is none.
[[nodiscard]] constexpr std::size_t bytes_per_number(std::string_view dtype) noexcept {
  if (dtype == "F64" || dtype == "I64" || dtype == "U64") return 8;
  if (dtype == "F32" || dtype == "I32" || dtype == "U32") return 4;
  if (dtype == "F16" || dtype == "BF16" || dtype == "I16" || dtype == "U16") return 2;
  if (dtype == "I8" || dtype == "U8" || dtype == "BOOL" || dtype == "F8_E4M3" || dtype == "F8_E5M2") return 1;
  return 0;
}

/// IEEE 754 binary16 to float, exactly.
[[nodiscard]] inline float float_from_half(std::uint16_t half) noexcept {
  const int exponent = (half >> 10) & 31;
  const int mantissa = half & 1023;
  float magnitude = std::ldexp(static_cast<float>(mantissa), -24);  // subnormal
  if (exponent > 0) magnitude = std::ldexp(static_cast<float>(1024 + mantissa), exponent - 25);
  if (exponent == 31)
    magnitude =
        mantissa == 0 ? std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
  return std::copysign(magnitude, half & 0x8000 ? -1.0F : 1.0F);
}

/// `data`, numbers of type `Stored`, as floats by way of `convert`.
template <class Stored, class Convert>
[[nodiscard]] std::vector<float> floats_from(std::string_view data, Convert convert) {
  std::vector<float> values(data.size() / sizeof(Stored));
  for (std::size_t i = 0; i < values.size(); ++i) {
    Stored stored;
    // nothing promises that the data are aligned
    std::memcpy(&stored, data.data() + i * sizeof(Stored), sizeof(Stored));
    values[i] = convert(stored);
  }
  return values;
}

/// The numbers of a tensor of a floating-point dtype; none for other dtypes. A double beyond float's range
/// becomes infinite.
[[nodiscard]] inline std::vector<float> floats_of(std::string_view dtype, std::string_view data) {
  if (dtype == "F32") return floats_from<float>(data, [](float value) { return value; });
  if (dtype == "F16") return floats_from<std::uint16_t>(data, float_from_half);
  if (dtype == "BF16")
    return floats_from<std::uint16_t>(
        data, [](std::uint16_t upper) { return std::bit_cast<float>(std::uint32_t{upper} << 16); });
  if (dtype != "F64") return {};
  return floats_from<double>(data, [](double value) {
    constexpr auto largest = static_cast<double>(std::numeric_limits<float>::max());
    if (std::abs(value) > largest)
      return value > 0 ? std::numeric_limits<float>::infinity() : -std::numeric_limits<float>::infinity();
    return static_cast<float>(value);  // not-a-number passes through
  });
}

/// Throws the Error of a file that is not as it should be: `damaged(where, what is wrong …)`.
template <class... Parts>
[[noreturn]] void damaged(const std::string& where, const Parts&... parts) {
  fail(where, ": ", parts..., "; the file is damaged or no safetensors file, fetch or save it again");
}

/// The header as JSON, an object at least. The JSON library keeps one of two equal keys without a word; here
/// that is an error, as is any nesting that a header does not have.
[[nodiscard]] inline nlohmann::json parse_header(std::string_view text, const std::string& where) {
  using nlohmann::json;
  if (!text.starts_with('{')) damaged(where, "the header is not a JSON object, which begins with {");
  // The format pads with spaces and with nothing else, of which the library would take a NUL for the end and
  // skip other blanks.
  if (text.find('\0') != std::string_view::npos ||
      std::string_view("\t\n\r").find(text[text.find_last_not_of(' ')]) != std::string_view::npos)
    damaged(where, "the header has something else than spaces behind its JSON");
  std::vector<std::set<std::string>> open_objects;
  const auto watch = [&](int depth, json::parse_event_t event, json& value) {
    if (depth > 3) damaged(where, "the header is nested deeper than tensors and their shapes");
    if (event == json::parse_event_t::object_start) open_objects.emplace_back();
    if (event == json::parse_event_t::object_end) open_objects.pop_back();
    if (event == json::parse_event_t::key && !open_objects.back().insert(value.get<std::string>()).second)
      damaged(where, "the header has the key ", in_quotes(value.get<std::string>()), " twice");
    return true;
  };
  try {
    return json::parse(text.begin(), text.end(), watch);
  } catch (const json::parse_error& error) {
    damaged(where, "the header is not JSON, it stops making sense at its byte ", error.byte);
  } catch (const json::exception&) {
    damaged(where, "the header holds a number beyond all bounds");
  }
}

/// A tensor as the header describes it, without its numbers, and the bytes of the data that hold them.
struct TensorEntry {
  Tensor tensor;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// Reads one entry of the header and checks it against itself and against the `data_size` bytes that there
/// are.
[[nodiscard]] inline TensorEntry parse_entry(const std::string& name, const nlohmann::json& entry,
                                             std::uint64_t data_size, const std::string& where) {
  using nlohmann::json;
  const auto refuse = [&](const auto&... parts) {
    damaged(where, "tensor ", in_quotes(name), " ", parts...);
  };
  // The number, if it is a whole one and not negative.
  const auto whole = [](const json& value) {
    return value.is_number_unsigned() ? std::optional(value.get<std::uint64_t>()) : std::nullopt;
  };
  if (!entry.is_object()) refuse("is not described by a JSON object");
  for (const char* field : {"dtype", "shape", "data_offsets"})
    if (!entry.contains(field)) refuse("has no ", field);
  TensorEntry result{{name, {}, {}, {}}};

  if (!entry["dtype"].is_string()) refuse("has a dtype that is not a text");
  result.tensor.dtype = entry["dtype"].get<std::string>();
  std::uint64_t size = bytes_per_number(result.tensor.dtype);
  if (size == 0) refuse("has the unknown dtype ", in_quotes(result.tensor.dtype));

  if (!entry["shape"].is_array()) refuse("has a shape that is not a list");
  constexpr std::uint64_t limit = std::numeric_limits<std::int64_t>::max();
  for (const json& value : entry["shape"]) {
    const auto extent = whole(value);
    if (!extent) refuse("has ", in_quotes(value.dump()), " in its shape, expected whole numbers from 0 up");
    if (*extent > limit || (*extent != 0 && size > limit / *extent))
      refuse("has a shape of more bytes than 64 bits can count");
    result.tensor.shape.push_back(static_cast<std::int64_t>(*extent));
    size *= *extent;
  }

  const json& offsets = entry["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2 || !whole(offsets[0]) || !whole(offsets[1]))
    refuse("has data_offsets that are not two whole numbers from 0 up");
  result.begin = *whole(offsets[0]);
  result.end = *whole(offsets[1]);
  if (result.begin > result.end)
    refuse("begins at byte ", with_commas(result.begin), ", behind its end at ", with_commas(result.end));
  if (result.end > data_size)
    refuse("ends at byte ", with_commas(result.end), " of the data, which have ", with_commas(data_size));
  if (result.end - result.begin != size)
    refuse("has ", with_commas(result.end - result.begin), " bytes, but its shape ",
           shape_text(result.tensor.shape), " of ", result.tensor.dtype, " takes ", with_commas(size));
  return result;
}

/// Reads a safetensors file held in memory; `where` names it in messages. The tensors come in the order of
/// their numbers.
///
/// Nothing is believed before it is checked against the number of bytes that are there, so memory stays in
/// proportion to that. Throws Error for whatever a file can have wrong: cut off, header too long or no JSON
/// object, keys twice or missing, an unknown dtype, a shape that is negative, fractional or does not fit its
/// bytes, offsets out of range, tensors that overlap or leave gaps.
[[nodiscard]] inline SafeTensors parse_safetensors(std::string_view bytes, const std::string& where) {
  if (bytes.starts_with("PK\x03\x04") || bytes.starts_with("\x80\x02"))
    fail(
        where,
        " was written by torch.save, expected safetensors; in Python, save_file of safetensors.torch writes its state dict so");
  constexpr std::uint64_t longest_header = 100'000'000;  // as the format's own library sets it
  if (bytes.size() < 8)
    damaged(where, "has ", bytes.size(), " bytes, expected at least the 8 of the header's length");
  std::uint64_t header_size = 0;
  std::memcpy(&header_size, bytes.data(), 8);
  if (header_size > longest_header)
    damaged(where, "the header claims ", with_commas(header_size), " bytes, at most ",
            with_commas(longest_header), " are allowed");
  if (header_size > bytes.size() - 8)
    damaged(where, "the header claims ", with_commas(header_size), " bytes, the file has only ",
            with_commas(bytes.size() - 8), " after its length");
  const std::string_view data = bytes.substr(8 + header_size);
  const nlohmann::json header = parse_header(bytes.substr(8, header_size), where);

  SafeTensors result;
  std::vector<TensorEntry> entries;
  for (const auto& [name, entry] : header.items()) {
    if (name != "__metadata__") {
      entries.push_back(parse_entry(name, entry, data.size(), where));
      continue;
    }
    if (entry.is_null()) continue;  // none, as some writers say it
    if (!entry.is_object()) damaged(where, "__metadata__ is not a JSON object");
    for (const auto& [key, value] : entry.items()) {
      if (!value.is_string()) damaged(where, "the metadata ", in_quotes(key), " is not a text");
      result.metadata.emplace(key, value.get<std::string>());
    }
  }

  // Only when all tensors are known to lie side by side can they not claim more numbers than there are.
  const auto place = [](const TensorEntry& entry) {
    return std::tie(entry.begin, entry.end, entry.tensor.name);
  };
  std::sort(entries.begin(), entries.end(),
            [&](const TensorEntry& a, const TensorEntry& b) { return place(a) < place(b); });
  std::uint64_t covered = 0;
  for (const TensorEntry& entry : entries) {
    const std::string name = in_quotes(entry.tensor.name);
    if (entry.begin < covered) damaged(where, "tensor ", name, " overlaps the one before it");
    if (entry.begin > covered)
      damaged(where, "bytes ", with_commas(covered), " to ", with_commas(entry.begin),
              " of the data, before tensor ", name, ", belong to no tensor");
    covered = entry.end;
  }
  if (covered != data.size())
    damaged(where, "the last ", with_commas(data.size() - covered), " bytes belong to no tensor");

  for (TensorEntry& entry : entries) {
    entry.tensor.values = floats_of(entry.tensor.dtype, data.substr(entry.begin, entry.end - entry.begin));
    result.tensors.push_back(std::move(entry.tensor));
  }
  return result;
}

/// Reads a safetensors file. Throws Error as parse_safetensors does, and where the file cannot be read.
[[nodiscard]] inline SafeTensors read_safetensors(const std::filesystem::path& path) {
  return parse_safetensors(read_whole_file(path), path.string());
}

/// Writes `contents`, every tensor as F32 or I64, replacing the file only when complete. The bytes depend on
/// the contents alone: tensors and metadata are sorted by name, and the header is padded with spaces so that
/// the numbers start at a multiple of 8 bytes. Text that is not UTF-8, as a path may be, has its bad bytes
/// replaced by U+FFFD. Throws Error where the file cannot be written, a name comes twice, or a tensor has
/// more or fewer numbers than its shape.
inline void write_safetensors(const std::filesystem::path& path, const SafeTensors& contents) {
  std::vector<const Tensor*> sorted;
  for (const Tensor& tensor : contents.tensors) sorted.push_back(&tensor);
  std::sort(sorted.begin(), sorted.end(), [](const Tensor* a, const Tensor* b) { return a->name < b->name; });

  nlohmann::json header = nlohmann::json::object();
  if (!contents.metadata.empty()) header["__metadata__"] = contents.metadata;
  std::size_t offset = 0;
  for (const Tensor* tensor : sorted) {
    const std::size_t count = tensor->values.size();
    if (numbers_of(tensor->shape) != count)
      fail(path.string(), " cannot be written: tensor ", in_quotes(tensor->name), " has ", count,
           " numbers for its shape ", shape_text(tensor->shape));
    if (tensor->name == "__metadata__" || header.contains(tensor->name))
      fail(path.string(), " cannot be written: the name ", in_quotes(tensor->name),
           " is taken; give every tensor a name of its own");
    const char* dtype = tensor->dtype == "I64" ? "I64" : "F32";
    const std::size_t end = offset + bytes_per_number(dtype) * count;
    header[tensor->name] = {{"dtype", dtype}, {"shape", tensor->shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');

  write_file_atomically(path, [&](OpenFile& file) {
    const std::uint64_t header_size = text.size();
    file.write({reinterpret_cast<const char*>(&header_size), sizeof(header_size)});
    file.write(text);
    for (const Tensor* tensor : sorted) {
      if (tensor->dtype != "I64") {
        file.write(
            {reinterpret_cast<const char*>(tensor->values.data()), tensor->values.size() * sizeof(float)});
        continue;
      }
      const std::vector<std::int64_t> whole(tensor->values.begin(), tensor->values.end());
      file.write({reinterpret_cast<const char*>(whole.data()), whole.size() * sizeof(std::int64_t)});
    }
  });
}

}  // namespace sdepth::inline SDEPTH_ISA
