// Writes MATLAB level-5 files for tests, from the format's description.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <string>
#include <vector>

#include "scratch.hpp"

namespace sdepth::test {

inline void put_word(Bytes& bytes, std::size_t word) {
  for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<std::uint8_t>(word >> shift));
}

inline void put_element(Bytes& bytes, std::size_t type, const Bytes& data) {
  put_word(bytes, type);
  put_word(bytes, data.size());
  bytes.insert(bytes.end(), data.begin(), data.end());
  while (bytes.size() % 8 != 0) bytes.push_back(0);
}

/// An array element: class 9 is uint8, storage 2 is miUINT8. A name of up to four bytes sits in its tag, as MATLAB writes it.
inline Bytes mat_array(const std::string& name, const std::vector<std::uint32_t>& sizes, const Bytes& values, std::uint8_t array_class = 9,
                       std::size_t storage = 2) {
  Bytes body;
  put_element(body, 6, {array_class, 0, 0, 0, 0, 0, 0, 0});
  Bytes size_bytes;
  for (const auto size : sizes) put_word(size_bytes, size);
  put_element(body, 5, size_bytes);
  if (name.size() <= 4) {
    put_word(body, name.size() << 16 | 1);
    for (std::size_t i = 0; i < 4; ++i) body.push_back(i < name.size() ? static_cast<std::uint8_t>(name[i]) : std::uint8_t{0});
  } else {
    put_element(body, 1, {name.begin(), name.end()});
  }
  put_element(body, storage, values);
  Bytes element;
  put_element(element, 14, body);
  return element;
}

/// The same element packed by zlib.
inline Bytes packed(const Bytes& element) {
  uLongf size = compressBound(element.size());
  Bytes stream(size);
  compress(stream.data(), &size, element.data(), element.size());
  stream.resize(size);
  Bytes bytes;
  put_word(bytes, 15);
  put_word(bytes, stream.size());
  bytes.insert(bytes.end(), stream.begin(), stream.end());
  return bytes;
}

inline Bytes mat_file(const std::vector<Bytes>& elements) {
  Bytes bytes(124, ' ');
  bytes.insert(bytes.end(), {0x00, 0x01, 'I', 'M'});
  for (const auto& element : elements) bytes.insert(bytes.end(), element.begin(), element.end());
  return bytes;
}

}  // namespace sdepth::test
