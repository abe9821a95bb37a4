// Writes MATLAB level-5 files for tests, from the format's description.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <string>
#include <vector>

#include "scratch.hpp"

namespace sdepth::test {

/// Not inlined: g++ 12 follows the sizes of a caller's literal into the copy and warns of what cannot happen.
[[gnu::noinline]] inline void put_bytes(Bytes& bytes, const Bytes& more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}

inline void put_word(Bytes& bytes, std::size_t word) {
  for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<std::uint8_t>(word >> shift));
}

/// Type, size and data, padded to a multiple of 8.
inline void put_element(Bytes& bytes, std::size_t type, const Bytes& data) {
  put_word(bytes, type);
  put_word(bytes, data.size());
  put_bytes(bytes, data);
  while (bytes.size() % 8 != 0) bytes.push_back(0);
}

/// The same with data of one to four bytes in the tag itself, as MATLAB writes it; more data make an ordinary
/// element.
inline void put_small_element(Bytes& bytes, std::size_t type, const Bytes& data) {
  if (data.empty() || data.size() > 4) return put_element(bytes, type, data);
  put_word(bytes, data.size() << 16 | type);
  put_bytes(bytes, data);
  for (std::size_t i = data.size(); i < 4; ++i) bytes.push_back(0);
}

/// An array element: class 9 is uint8, storage 2 is miUINT8. Names and values of up to four bytes sit in
/// their tags, as MATLAB writes them.
inline Bytes mat_array(const std::string& name, const std::vector<std::uint32_t>& sizes, const Bytes& values,
                       std::uint8_t array_class = 9, std::size_t storage = 2) {
  Bytes body, flags(8), size_bytes;
  flags[0] = array_class;
  put_element(body, 6, flags);
  for (const auto size : sizes) put_word(size_bytes, size);
  put_element(body, 5, size_bytes);
  put_small_element(body, 1, Bytes(name.begin(), name.end()));
  put_small_element(body, storage, values);
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
  put_bytes(bytes, stream);
  return bytes;
}

inline Bytes mat_file(const std::vector<Bytes>& elements) {
  Bytes bytes(128, ' ');
  bytes[124] = 0x00;
  bytes[125] = 0x01;
  bytes[126] = 'I';
  bytes[127] = 'M';
  for (const auto& element : elements) put_bytes(bytes, element);
  return bytes;
}

}  // namespace sdepth::test
