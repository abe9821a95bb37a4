// The part of MATLAB's level-5 files that SVHN uses: named arrays of whole numbers from 0 to 255, packed with
// zlib or not, read as a stream. A library for the whole format (matio) brings HDF5 along and holds an array
// twice to reorder it; SVHN needs one kind of array. Format: "MAT-File Format", The MathWorks, chapter "Level
// 5 MAT-File Format".
#pragma once

#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/data/files.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// The arrays of a file, one after the other; the values are read as bytes, in pieces, in the order of the
/// file (column-major).
class MatFile {
 public:
  /// Name and sizes of the array whose values read() returns next.
  struct Array {
    std::string name;
    std::vector<std::uint32_t> sizes;
    std::uintmax_t bytes = 0;  // one for each value
  };

  /// Throws Error where the file is missing or not a little-endian level-5 file.
  MatFile(std::filesystem::path path, std::string_view what)
      : path_(std::move(path)), what_(what), file_bytes_(file_size(path_, what_)) {
    constexpr std::size_t header_bytes = 128;
    if (file_bytes_ < header_bytes)
      fail(what_, ": ", path_.string(), " has ", file_bytes_,
           " bytes, not even the 128 of a MATLAB file's header; ", download_again);
    file_ = open_file(path_, what_);
    std::array<unsigned char, header_bytes> header{};
    read_file(header.data(), header.size());
    // The version is 0x0100 and the byte order mark reads 'IM' when it was written low byte first; a
    // level-7.3 file is HDF5.
    if (header[124] != 0x00 || header[125] != 0x01 || header[126] != 'I' || header[127] != 'M')
      fail(what_, ": ", path_.string(), " is not a little-endian MATLAB level-5 file",
           header[126] == 'M' && header[127] == 'I'     ? " (it is a big-endian one)"
           : header[124] == 0x00 && header[125] == 0x02 ? " (it is one of level 7.3)"
                                                        : "",
           "; save it with save -v7 or fetch it again");
  }

  MatFile(const MatFile&) = delete;  // zlib's stream points back to where it lies
  MatFile& operator=(const MatFile&) = delete;

  /// Goes to the next array; false at the end of the file. What read() has not taken of the array before is
  /// skipped. Arrays of other kinds are refused if `wanted(name)` and skipped if not.
  template <class Wanted>
  [[nodiscard]] bool next(Array& array, Wanted&& wanted) {
    while (true) {
      values_are_inside_ = false;
      seek(next_element_);
      if (next_element_ == file_bytes_) return false;
      if (file_bytes_ - next_element_ < 8) cut_off();
      Tag element = file_tag();
      if (element.bytes > file_bytes_ - position_) cut_off();
      next_element_ = position_ + element.bytes;
      packed_left_ = element.bytes;
      inflating_ = element.type == Tag::compressed;
      if (inflating_) {
        start_inflating();
        element = read_tag();
      }
      if (element.type == Tag::matrix && read_header(array, wanted)) return true;
      finish();  // what is skipped may have been an array asked for, before its name was altered
    }
  }

  /// The next `count` values of the array. Throws Error where the file is cut off or altered, or a value is
  /// no byte.
  void read(std::uint8_t* to, std::size_t count) {
    if (storage_ == Tag::uint8) return take(to, count);
    const std::size_t width = bytes_of(storage_);
    for (; count > 0; --count, ++to) {
      std::array<unsigned char, 8> value{};
      take(value.data(), width);
      // a wider one has ones above its lowest byte
      const bool negative = storage_ == Tag::int8 && value[0] > 127;
      if (negative ||
          std::any_of(value.begin() + 1, value.end(), [](unsigned char byte) { return byte != 0; }))
        fail(what_, ": an array of ", path_.string(), " holds a number that is not in 0 to 255; ",
             download_again);
      *to = value[0];
    }
  }

  /// After the last value: unpacks what is left, so that zlib compares its checksum. Throws Error where it
  /// differs.
  void finish() {
    std::array<Bytef, 64> rest{};
    while (inflating_ && !inflated_) {
      stream_.next_out = rest.data();
      stream_.avail_out = static_cast<uInt>(rest.size());
      inflate_some();
    }
  }

  [[noreturn]] void cut_off() const {
    fail(what_, ": ", path_.string(), " breaks off inside an array at byte ", grouped(position_), " of ",
         grouped(file_bytes_), "; ", download_again);
  }

 private:
  /// What precedes every piece of data: its type and size; up to four bytes may sit in the tag itself.
  struct Tag {
    static constexpr std::uint32_t int8 = 1, uint8 = 2, int16 = 3, uint16 = 4, int32 = 5, uint32 = 6,
                                   int64 = 12, uint64 = 13, matrix = 14, compressed = 15;
    std::uint32_t type = 0;
    std::uint32_t bytes = 0;
    bool in_tag = false;
    std::array<unsigned char, 4> inside{};
  };

  [[nodiscard]] static Tag parse_tag(const std::array<unsigned char, 8>& raw) noexcept {
    const std::uint32_t first = little_endian(raw.data());
    if (first >> 16 == 0) return {.type = first, .bytes = little_endian(raw.data() + 4)};
    return {.type = first & 0xFFFF,
            .bytes = first >> 16,
            .in_tag = true,
            .inside = {raw[4], raw[5], raw[6], raw[7]}};
  }

  /// Bytes of a value that is stored as this type; 0 where it is no type of whole numbers.
  [[nodiscard]] static std::size_t bytes_of(std::uint32_t type) noexcept {
    if (type == Tag::int8 || type == Tag::uint8) return 1;
    if (type == Tag::int16 || type == Tag::uint16) return 2;
    if (type == Tag::int32 || type == Tag::uint32) return 4;
    return type == Tag::int64 || type == Tag::uint64 ? 8 : 0;
  }

  [[nodiscard]] static std::uint32_t little_endian(const unsigned char* p) noexcept {
    return std::uint32_t{p[0]} | std::uint32_t{p[1]} << 8 | std::uint32_t{p[2]} << 16 |
           std::uint32_t{p[3]} << 24;
  }

  [[nodiscard]] Tag file_tag() {
    std::array<unsigned char, 8> raw{};
    read_file(raw.data(), raw.size());
    return parse_tag(raw);
  }

  [[nodiscard]] Tag read_tag() {
    std::array<unsigned char, 8> raw{};
    take(raw.data(), raw.size());
    return parse_tag(raw);
  }

  /// Flags, sizes and name, then the tag of the values: true where an array that was asked for follows.
  template <class Wanted>
  [[nodiscard]] bool read_header(Array& array, Wanted&& wanted) {
    const std::vector<unsigned char> flags = small_part(Tag::uint32);
    const std::vector<unsigned char> sizes = small_part(Tag::int32);
    const std::vector<unsigned char> name = small_part(Tag::int8);
    array.name.assign(name.begin(), name.end());
    if (!wanted(array.name)) return false;
    array.sizes.clear();
    for (std::size_t i = 0; i + 4 <= sizes.size(); i += 4)
      array.sizes.push_back(little_endian(sizes.data() + i));
    const Tag values = read_tag();
    // The class of the array is the low byte of its flags: 8 is int8, 9 uint8, 15 uint64. Bit 11 marks
    // complex numbers. Whatever the class, MATLAB stores values as the narrowest type that holds them all.
    constexpr unsigned char int8_class = 8, uint64_class = 15;
    const std::size_t width = bytes_of(values.type);
    if (flags.size() != 8 || flags[0] < int8_class || flags[0] > uint64_class || (flags[1] & 8U) != 0 ||
        width == 0)
      fail(what_, ": the array ", array.name, " of ", path_.string(),
           " is not one of class uint8, nor of another class of whole numbers; fetch it again");
    if (values.bytes % width != 0 || (values.in_tag && values.bytes > values.inside.size())) damaged_header();
    array.bytes = values.bytes / width;
    storage_ = values.type;
    values_are_inside_ = values.in_tag;
    if (values.in_tag) inside_.assign(values.inside.begin(), values.inside.begin() + values.bytes);
    return true;
  }

  /// A piece of an array's header; 256 bytes are many more than flags, sizes or a name take.
  [[nodiscard]] std::vector<unsigned char> small_part(std::uint32_t type) {
    const Tag tag = read_tag();
    if (tag.type != type || tag.bytes > (tag.in_tag ? 4U : 256U)) damaged_header();
    if (tag.in_tag) return {tag.inside.begin(), tag.inside.begin() + tag.bytes};
    std::vector<unsigned char> bytes((tag.bytes + 7) / 8 * 8);  // padded to 8 in the file
    take(bytes.data(), bytes.size());
    bytes.resize(tag.bytes);
    return bytes;
  }

  [[noreturn]] void damaged_header() const {
    fail(what_, ": ", path_.string(), " has a damaged array header near byte ", grouped(position_), "; ",
         download_again);
  }

  /// The next `count` bytes of the element as they are stored, unpacked; behind a tag that holds its values
  /// itself, of these.
  void take(unsigned char* to, std::size_t count) {
    if (values_are_inside_) {
      if (count > inside_.size()) cut_off();
      std::copy_n(inside_.begin(), count, to);
      inside_.erase(inside_.begin(), inside_.begin() + static_cast<std::ptrdiff_t>(count));
      return;
    }
    if (!inflating_) {
      if (count > packed_left_) cut_off();
      packed_left_ -= count;
      return read_file(to, count);
    }
    stream_.next_out = to;
    stream_.avail_out = static_cast<uInt>(count);
    while (stream_.avail_out > 0) {
      if (inflated_) cut_off();
      inflate_some();
    }
  }

  void seek(std::uintmax_t position) {
    file_.seekg(static_cast<std::streamoff>(position));
    position_ = position;
  }

  void read_file(void* to, std::size_t count) {
    if (!file_.read(static_cast<char*>(to), static_cast<std::streamsize>(count))) cut_off();
    position_ += count;
  }

  void start_inflating() {
    open_stream_.reset();
    stream_ = {};
    inflated_ = false;
    if (inflateInit(&stream_) != Z_OK)
      fail(what_, ": zlib cannot start unpacking ", path_.string(), "; free some memory");
    open_stream_.reset(&stream_);
  }

  /// One call of inflate, fed from the file.
  void inflate_some() {
    if (stream_.avail_in == 0 && packed_left_ > 0) {
      const auto count = static_cast<std::size_t>(std::min<std::uintmax_t>(packed_.size(), packed_left_));
      read_file(packed_.data(), count);
      packed_left_ -= count;
      stream_.next_in = packed_.data();
      stream_.avail_in = static_cast<uInt>(count);
    }
    const int status = inflate(&stream_, Z_NO_FLUSH);
    if (status == Z_BUF_ERROR) cut_off();  // nothing left to unpack, yet no end
    if (status != Z_OK && status != Z_STREAM_END)
      fail(what_, ": ", path_.string(), " is damaged before byte ", grouped(position_), " (",
           stream_.msg ? stream_.msg : "zlib error", "); ", download_again);
    inflated_ = status == Z_STREAM_END;
  }

  struct End {
    void operator()(z_stream* stream) const noexcept { inflateEnd(stream); }
  };
  std::filesystem::path path_;
  std::string what_;
  std::uintmax_t file_bytes_ = 0;
  std::ifstream file_;
  std::uintmax_t position_ = 0;
  std::uintmax_t next_element_ = 128;
  std::uintmax_t packed_left_ = 0;      // bytes of the element that the file still has to give
  std::uint32_t storage_ = Tag::uint8;  // the type of the array's values
  bool values_are_inside_ = false;      // they are in their tag,
  std::vector<unsigned char> inside_;   // of which these are left
  bool inflating_ = false;              // the element is packed
  bool inflated_ = false;               // and its end has been reached
  std::vector<Bytef> packed_ = std::vector<Bytef>(1 << 16);
  z_stream stream_{};
  // ends stream_, and points to it: a MatFile neither moves nor copies
  std::unique_ptr<z_stream, End> open_stream_;
};

}  // namespace sdepth::inline SDEPTH_ISA
