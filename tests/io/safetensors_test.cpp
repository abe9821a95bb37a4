#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <sdepth/io/safetensors.hpp>

#include "scratch_folder.hpp"

namespace sdepth::test::safetensors_test {

namespace {

/// A file of this header, whatever it says, and this many bytes of data.
std::string file_of(const std::string& header, std::size_t data_size) {
  const std::uint64_t size = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &size, 8);
  return bytes + header + std::string(data_size, '\0');
}

template <class Number>
std::string raw(const std::vector<Number>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(Number)};
}

SafeTensors example() {
  SafeTensors contents;
  contents.metadata = {{"step", "18446744073709551615"}, {"command", "train --out \"ü\"\n"}};
  contents.tensors = {{"fc.weight", {2, 3}, {1, 2, 3, -4, 5.5F, std::numeric_limits<float>::denorm_min()}},
                      {"bias", {1}, {7}},
                      {"a.scalar", {}, {8}},
                      {"empty", {0, 5}, {}}};
  return contents;
}

}  // namespace

TEST_CASE("what is written comes back bit by bit") {
  const ScratchFolder folder;
  write_safetensors(folder / "a", example());
  const SafeTensors back = read_safetensors(folder / "a");
  CHECK(back.metadata == example().metadata);
  REQUIRE(back.tensors.size() == 4);
  for (const Tensor& tensor : example().tensors) {
    const Tensor* found = back.find(tensor.name);
    REQUIRE(found != nullptr);
    CHECK(found->shape == tensor.shape);
    CHECK(found->values == tensor.values);
    CHECK(found->dtype == "F32");
  }
  CHECK(back.find("fc") == nullptr);
  CHECK(folder.entries() == 1);
}

TEST_CASE("the bytes are the format's, aligned, and depend on the contents alone") {
  const ScratchFolder folder;
  SafeTensors contents;
  contents.metadata = {{"k", "v"}};
  contents.tensors = {{"b", {2}, {1, 2}}, {"a", {}, {3}}};
  write_safetensors(folder / "a", contents);
  std::swap(contents.tensors[0], contents.tensors[1]);
  write_safetensors(folder / "b", contents);
  std::string header =
      R"({"__metadata__":{"k":"v"},"a":{"data_offsets":[0,4],"dtype":"F32","shape":[]},"b":{"data_offsets":[4,12],"dtype":"F32","shape":[2]}})";
  header.append((8 - header.size() % 8) % 8, ' ');
  CHECK(bytes_of(folder / "a") == file_of(header, 0) + raw<float>({3, 1, 2}));
  CHECK(bytes_of(folder / "b") == bytes_of(folder / "a"));
}

TEST_CASE("floating-point numbers of other widths are read as float, integers without their numbers") {
  const double largest = std::numeric_limits<double>::max(), nan = std::numeric_limits<double>::quiet_NaN();
  const std::string header = R"({"d":{"dtype":"F64","shape":[5],"data_offsets":[0,40]},)"
                             R"("h":{"dtype":"F16","shape":[7],"data_offsets":[40,54]},)"
                             R"("b":{"dtype":"BF16","shape":[2],"data_offsets":[54,58]},)"
                             R"("num_batches_tracked":{"dtype":"I64","shape":[],"data_offsets":[58,66]},)"
                             R"("mask":{"dtype":"BOOL","shape":[3],"data_offsets":[66,69]}})";
  const std::string bytes = file_of(header, 0) + raw<double>({0.1, -2.0, largest, -largest, nan}) +
                            raw<std::uint16_t>({0x3C00, 0xC000, 0x0001, 0x7BFF, 0x7C00, 0x7E00, 0x8000}) +
                            raw<std::uint16_t>({0x3F80, 0xC040}) + std::string(11, '\1');
  const SafeTensors contents = parse_safetensors(bytes, "x");
  constexpr float infinity = std::numeric_limits<float>::infinity();
  const auto& d = contents.find("d")->values;
  CHECK(d[0] == 0.1F);
  CHECK(d[1] == -2.0F);
  CHECK(d[2] == infinity);
  CHECK(d[3] == -infinity);
  CHECK(std::isnan(d[4]));
  const auto& h = contents.find("h")->values;
  CHECK(h[0] == 1.0F);
  CHECK(h[1] == -2.0F);
  CHECK(h[2] == 0x1p-24F);
  CHECK(h[3] == 65504.0F);
  CHECK(h[4] == infinity);
  CHECK(std::isnan(h[5]));
  CHECK((h[6] == 0.0F && std::signbit(h[6])));
  CHECK(contents.find("b")->values == std::vector<float>{1.0F, -3.0F});
  CHECK(contents.find("num_batches_tracked")->values.empty());
  CHECK(contents.find("num_batches_tracked")->dtype == "I64");
  CHECK(contents.find("mask")->shape == std::vector<std::int64_t>{3});
}

TEST_CASE("a file that is not as it should be is refused with a sentence that says what and where") {
  const auto sentence = [](const std::string& bytes) {
    return sentence_of([&] { (void)parse_safetensors(bytes, "m.safetensors"); });
  };
  const auto refused = [&](const std::string& header, std::size_t data_size, const std::string& expected) {
    const std::string found = sentence(file_of(header, data_size));
    CAPTURE(header);
    CAPTURE(found);
    CHECK(found.starts_with("m.safetensors: "));
    CHECK(found.ends_with("; the file is damaged or no safetensors file, fetch or save it again"));
    CHECK(contains(found, expected));
  };
  const auto with = [](const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return R"({"w":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
  };
  CHECK(sentence(file_of(with("\"F32\"", "[2,3]", "[0,24]"), 24)).empty());
  CHECK(sentence(file_of("{}", 0)).empty());
  for (const std::string begin : {"PK\x03\x04", "\x80\x02"})  // of zip files and of pickles
    CHECK(sentence(begin + std::string(100, 'x'))
              .starts_with("m.safetensors was written by torch.save, expected safetensors; in Python, "));

  SUBCASE("length") {
    CHECK(contains(sentence(""), "has 0 bytes, expected at least the 8"));
    CHECK(contains(sentence("1234567"), "has 7 bytes"));
    CHECK(contains(sentence(file_of("{}", 0).substr(0, 9)),
                   "the header claims 2 bytes, the file has only 1 after its length"));
    CHECK(contains(sentence(std::string(8, '\xFF') + "{}"),
                   "the header claims 18,446,744,073,709,551,615 bytes, at most 100,000,000"));
    CHECK(contains(sentence(std::string(8, '\0')), "the header is not a JSON object"));
  }
  SUBCASE("JSON") {
    refused("[]", 0, "the header is not a JSON object, which begins with {");
    refused(" {}", 0, "the header is not a JSON object");
    refused(R"({"w":)", 0, "the header is not JSON, it stops making sense at its byte 6");
    refused("{} x", 0, "the header is not JSON");
    refused("{\"\xFF\":1}", 0, "the header is not JSON");
    refused(R"({"w":1e999})", 0, "the header holds a number beyond all bounds");
    refused(R"({"w":[[[[[]]]]]})", 0, "nested deeper");
    refused(R"({"w":{"shape":{"x":{"y":1}}}})", 0, "nested deeper");
    refused("{\"w\":" + std::string(100'000, '['), 0, "nested deeper");
  }
  SUBCASE("keys twice") {
    refused(
        R"({"w":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})",
        4, "has the key \"w\" twice");
    refused(R"({"w":{"dtype":"F32","dtype":"F64","shape":[],"data_offsets":[0,4]}})", 4,
            "has the key \"dtype\" twice");
    refused(R"({"__metadata__":{"seed":"1","seed":"2"}})", 0, "has the key \"seed\" twice");
  }
  SUBCASE("fields") {
    refused(R"({"w":3})", 0, "tensor \"w\" is not described by a JSON object");
    refused(R"({"w":{"shape":[],"data_offsets":[0,4]}})", 4, "tensor \"w\" has no dtype");
    refused(R"({"w":{"dtype":"F32","data_offsets":[0,4]}})", 4, "tensor \"w\" has no shape");
    refused(R"({"w":{"dtype":"F32","shape":[]}})", 4, "tensor \"w\" has no data_offsets");
    for (const std::string& behind :
         {std::string("\0", 1), std::string(7, '\0'), std::string("  \0", 3), std::string("\0{}", 3),
          std::string("\0 }", 3), std::string("\n"), std::string("\t"), std::string(" \r\n")})
      refused(with("\"F32\"", "[2,3]", "[0,24]") + behind, 24,
              "the header has something else than spaces behind its JSON");
    refused(with("\"F32\"", "[2,3]", "[0,24]") + "{}", 24, "the header is not JSON");
    refused(with("\"F32\"", "[2,3]", "[0,24]") + " }", 24, "the header is not JSON");
    for (const char* in_front : {" ", "\n", "\xEF\xBB\xBF", "x"})
      refused(in_front + with("\"F32\"", "[2,3]", "[0,24]"), 24,
              "the header is not a JSON object, which begins with {");
    CHECK(sentence(file_of(with("\"F32\"", "[2,3]", "[0,24]") + "   ", 24)).empty());
    CHECK(sentence(
              file_of("{\n\t\"w\": {\"dtype\": \"U8\", \"shape\": [1],\r\n \"data_offsets\": [0, 1]}\n}", 1))
              .empty());  // blanks inside are JSON's
    CHECK(sentence(file_of(R"({"__metadata__":null})", 0)).empty());
    refused(R"({"__metadata__":[]})", 0, "__metadata__ is not a JSON object");
    refused(R"({"__metadata__":{"seed":1}})", 0, "the metadata \"seed\" is not a text");
  }
  SUBCASE("dtype and shape") {
    refused(with("\"F31\"", "[2,3]", "[0,24]"), 24, "has the unknown dtype \"F31\"");
    refused(with("32", "[2,3]", "[0,24]"), 24, "has a dtype that is not a text");
    refused(with("\"F32\"", "6", "[0,24]"), 24, "has a shape that is not a list");
    refused(with("\"F32\"", "[-2,3]", "[0,24]"), 24,
            "has \"-2\" in its shape, expected whole numbers from 0 up");
    refused(with("\"F32\"", "[2.5,3]", "[0,24]"), 24, "has \"2.5\" in its shape");
    refused(with("\"F32\"", "[\"2\",3]", "[0,24]"), 24, "in its shape");
    refused(with("\"F32\"", "[[2],3]", "[0,24]"), 24, "nested deeper");
    refused(with("\"F32\"", "[4294967296,4294967296]", "[0,24]"), 24,
            "has a shape of more bytes than 64 bits can count");
    // would be 0 after wrapping around
    refused(with("\"F32\"", "[4611686018427387904,4]", "[0,0]"), 0, "more bytes than 64 bits");
    refused(with("\"F32\"", "[0,18446744073709551615]", "[0,0]"), 0, "more bytes than 64 bits");
    refused(with("\"F32\"", "[2,4]", "[0,24]"), 24, "has 24 bytes, but its shape [2, 4] of F32 takes 32");
    refused(with("\"F64\"", "[2,3]", "[0,24]"), 24, "has 24 bytes, but its shape [2, 3] of F64 takes 48");
  }
  SUBCASE("offsets") {
    refused(with("\"F32\"", "[2,3]", "24"), 24, "has data_offsets that are not two whole numbers from 0 up");
    refused(with("\"F32\"", "[2,3]", "[0]"), 24, "not two whole numbers");
    refused(with("\"F32\"", "[2,3]", "[0,24,48]"), 24, "not two whole numbers");
    refused(with("\"F32\"", "[2,3]", "[-24,0]"), 24, "not two whole numbers");
    refused(with("\"F32\"", "[2,3]", "[0,24.0]"), 24, "not two whole numbers");
    refused(with("\"F32\"", "[2,3]", "[24,0]"), 24, "begins at byte 24, behind its end at 0");
    refused(with("\"F32\"", "[2,3]", "[0,24]"), 23, "ends at byte 24 of the data, which have 23");
    refused(with("\"F32\"", "[1000000000000]", "[0,4000000000000]"), 24,
            "ends at byte 4,000,000,000,000 of the data");
    refused(with("\"F32\"", "[2,3]", "[0,24]"), 25, "the last 1 bytes belong to no tensor");
    refused(with("\"F32\"", "[2,3]", "[4,28]"), 28,
            "bytes 0 to 4 of the data, before tensor \"w\", belong to no tensor");
    refused("{}", 1, "the last 1 bytes belong to no tensor");
    const auto two = [](const std::string& begin, const std::string& end) {
      return R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[)" +
             begin + "," + end + "]}}";
    };
    CHECK(sentence(file_of(two("4", "8"), 8)).empty());
    refused(two("3", "7"), 7, "tensor \"b\" overlaps the one before it");
    refused(two("0", "4"), 4, "tensor \"b\" overlaps the one before it");
    refused(two("5", "9"), 9, "bytes 4 to 5 of the data, before tensor \"b\", belong to no tensor");
  }
}

TEST_CASE("what cannot be written is refused and leaves the old file") {
  const ScratchFolder folder;
  put(folder / "a", "the old file");
  const auto sentence = [&](const SafeTensors& contents) {
    return sentence_of([&] { write_safetensors(folder / "a", contents); });
  };
  SafeTensors contents = example();
  contents.tensors[0].shape = {2, 4};
  CHECK(contains(sentence(contents), "tensor \"fc.weight\" has 6 numbers for its shape [2, 4]"));
  contents.tensors[0].shape = {-2, -3};
  CHECK(contains(sentence(contents), "has 6 numbers for its shape [-2, -3]"));
  contents.tensors[0].shape = {6, 4294967296, 4294967296};  // would be 6 after wrapping around
  CHECK(contains(sentence(contents), "has 6 numbers for its shape"));
  contents = example();
  contents.tensors[1].name = "fc.weight";
  CHECK(contains(sentence(contents), "the name \"fc.weight\" is taken"));
  contents.tensors[1].name = "__metadata__";
  CHECK(contains(sentence(contents), "the name \"__metadata__\" is taken"));
  {
    const FileSizeLimit limit(100);
    CHECK(contains(sentence(example()), "cannot be written: File too large; free some space"));
  }
  CHECK(bytes_of(folder / "a") == "the old file");
  CHECK(folder.entries() == 1);
}

TEST_CASE("metadata that is not UTF-8, as a path may be, is written with replacement characters") {
  const ScratchFolder folder;
  SafeTensors contents;
  contents.metadata = {{"out", "runs/\xFC"}};
  write_safetensors(folder / "a", contents);
  CHECK(read_safetensors(folder / "a").metadata.at("out") == "runs/\xEF\xBF\xBD");
}

TEST_CASE("a file damaged at random is read or refused, never more") {
  const ScratchFolder folder;
  write_safetensors(folder / "a", example());
  const std::string whole = bytes_of(folder / "a");
  for (std::size_t size = 0; size < whole.size(); ++size)
    // cut off anywhere
    CHECK_THROWS_AS((void)parse_safetensors(std::string_view(whole).substr(0, size), "x"), Error);
  std::mt19937 random(1);
  int read = 0;
  for (int round = 0; round < 5000; ++round) {
    std::string bytes = whole;
    for (auto changes = 1 + random() % 3; changes > 0; --changes)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    try {
      const SafeTensors contents = parse_safetensors(bytes, "x");
      ++read;
      for (const Tensor& tensor : contents.tensors)
        CHECK(tensor.values.size() * sizeof(float) <= 2 * bytes.size());
    } catch (const Error&) {
      continue;
    }
  }
  CHECK(read > 0);
  CHECK(read < 5000);
}

}  // namespace sdepth::test::safetensors_test
