// One picture on its way into a batch: bytes as a file has them, then numbers as the network reads them, and
// what is to be learned of it.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/core/shape.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// A picture with what is to be learned of it. Its extents are its own until a step of the augmentation makes
/// them the network's.
struct Picture {
  Shape shape;
  std::vector<std::uint8_t> bytes{};  ///< [H, W, C], or empty where `numbers` holds the picture
  std::vector<float> numbers{};       ///< [H, W, C], in bytes' units (0 … 255) until they are normalised
  int label = 0;                      ///< the class, where there are no targets
  /// a probability for each class, or numbers to be predicted; empty: the label
  std::vector<float> targets{};

  /// Makes numbers of the bytes, where that has not been done, and returns them.
  std::vector<float>& as_numbers() {
    if (!bytes.empty()) {
      numbers.assign(bytes.begin(), bytes.end());
      bytes.clear();
    }
    return numbers;
  }
  /// Takes numbers of another shape; `next` gets what was there, for its memory.
  void set_numbers(Shape next_shape, std::vector<float>& next) {
    bytes.clear();
    numbers.swap(next);
    shape = next_shape;
  }
};

/// A picture's numbers as text, for messages: "3 x 224 x 224".
[[nodiscard]] inline std::string extents_text(Shape shape) {
  return std::to_string(shape.channels) + " x " + std::to_string(shape.height) + " x " +
         std::to_string(shape.width);
}

/// What records are read from while a network trains: pictures in memory, in a folder, in a database, or made
/// up.
///
///     struct Noise {
///       int size() const { return 1000; }
///       int classes() const { return 10; }   // 0 where numbers are predicted
///       int targets() const { return 10; }   // how many targets a picture has: may be left out where labels are learned
///       std::string name() const { return "noise"; }
///       void read(int record, Picture& picture) const { picture.shape = {1, 8, 8}; picture.numbers.assign(64, 0.0F); … }
///     };
///
/// read() is called by several threads at once, and gives the same picture each time. What it throws is shown
/// to the user as it is. The picture it is given is an old one: it sets shape, and bytes or numbers with the
/// other one empty, and label or targets.
template <class Type>
concept DataSource = requires(const Type& source, int record, Picture& picture) {
  { source.size() } -> std::convertible_to<int>;
  { source.classes() } -> std::convertible_to<int>;
  { source.name() } -> std::convertible_to<std::string>;
  source.read(record, picture);
};

/// Any DataSource: one that has a name is referred to and must outlive this unchanged, a temporary is kept.
class AnySource {
 public:
  template <class Type>
    requires(DataSource<std::remove_cvref_t<Type>> && !std::same_as<std::remove_cvref_t<Type>, AnySource>)
  AnySource(Type&& source) : size_(source.size()), classes_(source.classes()), name_(source.name()) {
    if constexpr (requires { source.targets(); }) targets_ = source.targets();
    if constexpr (std::is_lvalue_reference_v<Type>) {
      read_ = [&source](int record, Picture& picture) { source.read(record, picture); };
    } else {
      const auto kept = std::make_shared<const Type>(std::move(source));
      read_ = [kept](int record, Picture& picture) { kept->read(record, picture); };
    }
  }

  [[nodiscard]] int size() const noexcept { return size_; }
  [[nodiscard]] int classes() const noexcept { return classes_; }
  [[nodiscard]] int targets() const noexcept { return targets_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// Throws Error where the source gives another number of values than its shape has: what reads a picture
  /// relies on it.
  void read(int record, Picture& picture) const {
    picture.targets.clear();
    read_(record, picture);
    const std::size_t values = picture.bytes.empty() ? picture.numbers.size() : picture.bytes.size();
    if (values != picture.shape.size() || values == 0)
      fail(name_, ": record ", record, " has the shape ", extents_text(picture.shape), " and ", values,
           " values; a source's read sets shape, and as many bytes or numbers, with the other one empty");
  }

 private:
  int size_, classes_, targets_ = 0;
  std::string name_;
  std::function<void(int, Picture&)> read_;
};

}  // namespace sdepth::inline SDEPTH_ISA
