// PNG and JPEG of every kind as RGB, upright; what is damaged, cut off, too large or something else is one
// sentence with its path.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include <sdepth/pictures/decode.hpp>

#include "encode.hpp"

namespace sdepth::test::decode_test {

namespace {

Picture decoded(const Bytes& bytes) {
  Picture picture;
  decode_picture(bytes, "picture", picture);
  return picture;
}

/// The largest difference of two pictures' bytes; 999 where there are not as many.
int difference(const Bytes& a, const Bytes& b) {
  if (a.size() != b.size()) return 999;
  int largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(int{a[i]} - int{b[i]}));
  return largest;
}

/// 2 x 3 pixels of different colours.
const Bytes six{250, 0, 0, 0, 250, 0, 0, 0, 250, 250, 250, 0, 0, 250, 250, 250, 0, 250};

/// The same with one channel: 1 2 3 / 4 5 6, each times 40.
const Bytes six_grey{40, 80, 120, 160, 200, 240};
Bytes as_rgb(const Bytes& grey) {
  Bytes pixels;
  for (const std::uint8_t value : grey) pixels.insert(pixels.end(), 3, value);
  return pixels;
}
/// What is decoded from numbers that say in which order the pixels come.
Bytes as_grey(const Picture& picture) {
  Bytes grey;
  for (std::size_t i = 0; i < picture.bytes.size(); i += 3)
    grey.push_back(static_cast<std::uint8_t>((picture.bytes[i] + 20) / 40));
  return grey;
}

}  // namespace

TEST_CASE(
    "a PNG of each kind becomes RGB: colours, grey of 1 to 16 bits, palettes, transparency, interlaced or not") {
  const Picture rgb = decoded(png_of(six, 2, 3));
  CHECK(rgb.shape == Shape{3, 2, 3});
  CHECK(rgb.bytes == six);
  CHECK(decoded(png_of(six, 2, 3, {.interlaced = true})).bytes == six);

  Bytes rgba;
  for (std::size_t i = 0; i < 6; ++i)
    rgba.insert(rgba.end(), {six[3 * i], six[3 * i + 1], six[3 * i + 2], static_cast<std::uint8_t>(40 * i)});
  CHECK(decoded(png_of(rgba, 2, 3, {.type = PNG_COLOR_TYPE_RGB_ALPHA})).bytes == six);

  CHECK(decoded(png_of(six_grey, 2, 3, {.type = PNG_COLOR_TYPE_GRAY})).bytes == as_rgb(six_grey));
  Bytes grey_alpha;
  for (const std::uint8_t value : six_grey) grey_alpha.insert(grey_alpha.end(), {value, std::uint8_t{9}});
  CHECK(decoded(png_of(grey_alpha, 2, 3, {.type = PNG_COLOR_TYPE_GRAY_ALPHA})).bytes == as_rgb(six_grey));
  CHECK(decoded(png_of({0b10100000, 0b01000000}, 2, 3, {.type = PNG_COLOR_TYPE_GRAY, .bits = 1})).bytes ==
        as_rgb({255, 0, 255, 0, 255, 0}));

  // 0x1234 of 0xFFFF is 18.2 of 255, 0xFF70 is 254.4.
  CHECK(decoded(png_of({0x12, 0x34, 0xFF, 0x70}, 1, 2, {.type = PNG_COLOR_TYPE_GRAY, .bits = 16})).bytes ==
        as_rgb({18, 254}));
  const Bytes wide{0x12, 0x34, 0x00, 0x00, 0xFF, 0xFF};
  CHECK(decoded(png_of(wide, 1, 1, {.type = PNG_COLOR_TYPE_RGB, .bits = 16})).bytes == Bytes{18, 0, 255});

  const std::vector<png_color> palette{{9, 8, 7}, {200, 100, 50}};
  CHECK(decoded(png_of({0, 1, 1, 0}, 2, 2, {.type = PNG_COLOR_TYPE_PALETTE, .palette = palette})).bytes ==
        Bytes{9, 8, 7, 200, 100, 50, 200, 100, 50, 9, 8, 7});
}

TEST_CASE(
    "a JPEG of each kind becomes RGB: colours, grey, CMYK with Adobe's inks or plain ones, progressive or not") {
  const Bytes pixels = smooth_picture(40, 56, 3);
  const Picture rgb = decoded(jpeg_of(pixels, 40, 56));
  CHECK(rgb.shape == Shape{3, 40, 56});
  CHECK(difference(rgb.bytes, pixels) <= 4);
  CHECK(difference(decoded(jpeg_of(pixels, 40, 56, {.progressive = true})).bytes, rgb.bytes) == 0);
  const Bytes grey = smooth_picture(40, 56, 1);
  CHECK(difference(decoded(jpeg_of(grey, 40, 56, {.colours = JCS_GRAYSCALE})).bytes, as_rgb(grey)) <= 3);

  Bytes inks, plain;  // what the inks leave of white, with a fifth of black over it
  for (std::size_t i = 0; i < pixels.size(); i += 3) {
    for (std::size_t c = 0; c < 3; ++c) {
      inks.push_back(pixels[i + c]);
      plain.push_back(static_cast<std::uint8_t>(255 - pixels[i + c]));
    }
    inks.push_back(204);
    plain.push_back(51);
  }
  Bytes expected;
  for (const std::uint8_t value : pixels) expected.push_back(static_cast<std::uint8_t>(value * 204 / 255));
  CHECK(difference(decoded(jpeg_of(inks, 40, 56, {.colours = JCS_CMYK})).bytes, expected) <= 4);
  CHECK(difference(decoded(jpeg_of(plain, 40, 56, {.colours = JCS_CMYK, .adobe = false})).bytes, expected) <=
        4);
}

TEST_CASE(
    "EXIF's orientation is obeyed, of JPEG and PNG, in both orders of bytes; what is damaged of it is ignored") {
  // 1 2 3 / 4 5 6 as it is stored; where the first row and column of what is stored belong, by the standard's
  // table.
  const std::vector<Bytes> upright{{1, 2, 3, 4, 5, 6}, {3, 2, 1, 6, 5, 4}, {6, 5, 4, 3, 2, 1},
                                   {4, 5, 6, 1, 2, 3}, {1, 4, 2, 5, 3, 6}, {4, 1, 5, 2, 6, 3},
                                   {6, 3, 5, 2, 4, 1}, {3, 6, 2, 5, 1, 4}};
  for (int orientation = 1; orientation <= 8; ++orientation)
    for (const bool big_endian : {false, true}) {
      CAPTURE(orientation);
      const Bytes exif = exif_with(orientation, big_endian);
      for (const Bytes& file : {png_of(six_grey, 2, 3, {.type = PNG_COLOR_TYPE_GRAY, .exif = exif}),
                                jpeg_of(six_grey, 2, 3, {.colours = JCS_GRAYSCALE, .exif = exif})}) {
        const Picture picture = decoded(file);
        CHECK(picture.shape == (orientation < 5 ? Shape{3, 2, 3} : Shape{3, 3, 2}));
        CHECK(as_grey(picture) == upright[static_cast<std::size_t>(orientation - 1)]);
      }
    }
  for (const int orientation : {0, 9}) CHECK(detail::exif_orientation(exif_with(orientation, true)) == 1);
  Bytes exif = exif_with(6, false);
  for (std::size_t length = 0; length < 20; ++length)
    CHECK(detail::exif_orientation({exif.data(), length}) == 1);
  exif[4] = 0xFF, exif[5] = exif[6] = exif[7] = 0xFF;
  CHECK(detail::exif_orientation(exif) == 1);
}

TEST_CASE("a picture cut off anywhere is refused with its path") {
  const Scratch scratch;
  const Bytes pixels = smooth_picture(64, 48, 3);
  for (const bool is_png : {true, false}) {
    const Bytes whole = is_png ? png_of(pixels, 64, 48) : jpeg_of(pixels, 64, 48, {.quality = 80});
    Bytes file;
    Picture picture;
    for (std::size_t length = 0; length + 3 < whole.size(); length += 1 + length / 9) {
      CAPTURE(length);
      const auto path =
          scratch.write("cut.off", {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)});
      const std::string error = error_of([&] { decode_picture_file(path, file, picture); });
      CHECK(says(error, "cut.off"));
      CHECK(says(error, length == 0            ? "is empty"
                        : length < 8 && is_png ? "expected PNG or JPEG"
                        : length < 3           ? "expected PNG"
                                               : "; replace"));
    }
    // The picture before is not in the way of the next one.
    decode_picture_file(scratch.write("whole", whole), file, picture);
    CHECK(difference(picture.bytes, pixels) <= 40);
  }
}

TEST_CASE("damaged bytes are refused or decoded, and never more than that") {
  const Bytes pixels = smooth_picture(48, 48, 3);
  for (const Bytes& whole :
       {png_of(pixels, 48, 48), jpeg_of(pixels, 48, 48, {.quality = 80, .progressive = true})}) {
    int refused = 0;
    for (std::size_t at = 0; at < whole.size(); at += 1 + at / 16) {
      Bytes damaged = whole;
      damaged[at] = static_cast<std::uint8_t>(damaged[at] ^ 0x55);
      refused += error_of([&] { (void)decoded(damaged); }) != "no error";
    }
    CHECK(refused > 10);
  }
}

TEST_CASE("pictures that claim too many pixels are refused before memory is taken") {
  Bytes png = png_of(six, 2, 3);
  // 2^31 pixels each way; then the checksum is wrong as well, which is seen first or not
  png[16] = 0x7F, png[20] = 0x7F;
  CHECK(says(error_of([&] { (void)decoded(png); }), "picture"));
  const Bytes grey(400 * 300, 7);
  for (const Bytes& file : {png_of(grey, 300, 400, {.type = PNG_COLOR_TYPE_GRAY}),
                            jpeg_of(grey, 300, 400, {.colours = JCS_GRAYSCALE})}) {
    Picture picture;
    const PictureLimits limits{.pixels = 119'999};
    CHECK(says(error_of([&] { decode_picture(file, "bomb.png", picture, limits); }), "bomb.png", "400 x 300",
               "119999", "raise the limit"));
    decode_picture(file, "good.png", picture, {.pixels = 120'000});
  }
  // A JPEG's size stands behind FF C0, its length and its precision.
  Bytes jpeg = jpeg_of(grey, 300, 400, {.colours = JCS_GRAYSCALE});
  for (std::size_t i = 0; i + 9 < jpeg.size(); ++i)
    if (jpeg[i] == 0xFF && jpeg[i + 1] == 0xC0) {
      jpeg[i + 5] = jpeg[i + 7] = 0xFF;
      break;
    }
  CHECK(says(error_of([&] { (void)decoded(jpeg); }), "x 65", "pixels, more than the 100000000"));
}

TEST_CASE("what is no PNG or JPEG is named, whatever the file is called, and a JPEG called .png is a JPEG") {
  const Scratch scratch;
  Bytes file;
  Picture picture;
  const auto error = [&](const char* name, const std::string& text) {
    const auto path = scratch.write(name, Bytes(text.begin(), text.end()));
    return error_of([&] { decode_picture_file(path, file, picture); });
  };
  CHECK(says(error("a.png", "GIF89a and so on"), "a.png is a GIF picture, expected PNG or JPEG"));
  CHECK(says(error("b.jpg", "RIFF0000WEBPVP8 "), "b.jpg is a WebP picture"));
  CHECK(says(error("c.jpg", "<html>not found</html>"), "c.jpg is no picture that is known here"));
  decode_picture_file(scratch.write("d.png", jpeg_of(six, 2, 3)), file, picture);
  CHECK(picture.shape == Shape{3, 2, 3});
  decode_picture_file(scratch.write("caf\xE9.png", png_of(six, 2, 3)), file, picture);
  CHECK(picture.bytes == six);
  CHECK(says(error("caf\xE9.jpg", "BM"), "caf\xEF\xBF\xBD.jpg is a BMP picture"));
  CHECK(says(error_of([&] { decode_picture_file(scratch.path() / "none.png", file, picture); }),
             "none.png is missing"));
  CHECK(says(error_of([&] { decode_picture_file(scratch.path(), file, picture); }), "is not a file"));
  std::filesystem::create_symlink("nowhere.png", scratch.path() / "link.png");
  CHECK(says(error_of([&] { decode_picture_file(scratch.path() / "link.png", file, picture); }),
             "link.png is missing"));
  const auto secret = scratch.write("secret.png", png_of(six, 2, 3));
  std::filesystem::permissions(secret, std::filesystem::perms::none);
  if (!std::ifstream(secret))
    CHECK(says(error_of([&] { decode_picture_file(secret, file, picture); }), "secret.png", "permissions"));
}

TEST_CASE("a look at a file's beginning tells its size, and refuses what is no picture") {
  const Scratch scratch;
  CHECK(check_picture_file(scratch.write("a.png", png_of(six, 2, 3))) == Shape{3, 2, 3});
  CHECK(check_picture_file(scratch.write("b.jpg", jpeg_of(six, 2, 3))) == Shape{3, 2, 3});
  CHECK(says(error_of([&] { (void)check_picture_file(scratch.write("c.jpg", {})); }), "c.jpg is empty"));
  // A profile that is larger than the beginning stands before the size.
  const Bytes plain = jpeg_of(six, 2, 3);
  Bytes padded(plain.begin(), plain.begin() + 2);
  for (int i = 0; i < 3; ++i) {
    padded.insert(padded.end(), {0xFF, 0xE2, 0xEA, 0x60});
    padded.insert(padded.end(), 60'000 - 2, 0);
  }
  padded.insert(padded.end(), plain.begin() + 2, plain.end());
  CHECK(check_picture_file(scratch.write("d.jpg", padded)) == Shape{3, 2, 3});
}

}  // namespace sdepth::test::decode_test
