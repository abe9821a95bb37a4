// What the report shows of a trained network: its mistakes, small pictures of them, and its blocks.
#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <sdepth/program/report.hpp>
#include <sdepth/program/thumbnail.hpp>

#include "../io/scratch_folder.hpp"

namespace sdepth::test::classification_test {

using namespace sdepth::program;

namespace {

long count(const std::string& text, const std::string& part) {
  long found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

}  // namespace

TEST_CASE("pictures are counted by class and by what they are taken for, and the most wrong come first") {
  Classification found("test", 7, {});
  found.add(std::vector<float>{9, 8, 7, 6, 5, 4, 3}, 0, 10);  // right
  found.add(std::vector<float>{9, 8, 7, 6, 5, 4, 3}, 4, 11);  // the fifth
  found.add(std::vector<float>{9, 8, 7, 6, 5, 4, 3}, 5, 12);  // the sixth: more wrong
  // the last of equal ones, as an error counts it: the first is taken
  found.add(std::vector<float>{0, 0, 0, 0, 0, 0, 0}, 6, 13);
  found.add(std::vector<float>{0, 50, 0, 0, 0, 0, 0}, 5, 14);  // the most wrong of all
  CHECK(found.images() == 5);
  CHECK(found.count(0, 0) == 1);
  CHECK(found.count(5, 1) == 1);
  CHECK(found.count(5, 0) == 1);
  CHECK(found.images_of(5) == 2);
  CHECK(found.error_of(0) == 0);
  CHECK(found.error_of(5) == 100);
  CHECK(found.error_of(2) != found.error_of(2));
  CHECK(found.top_error() == doctest::Approx(60.0));  // records 12, 13, 14
  REQUIRE(found.worst().size() == 4);
  const int order[] = {14, 12, 11, 13};
  for (std::size_t i = 0; i < 4; ++i) CHECK(found.worst()[i].record == order[i]);
  CHECK(found.worst()[0].probability == doctest::Approx(1.0));
  CHECK(found.worst()[3].probability == doctest::Approx(1 / 7.0));
  for (int record = 0; record < 100; ++record) found.add(std::vector<float>{1, 0, 0, 0, 0, 0, 0}, 1, record);
  CHECK(found.worst().size() == Classification::shown);
  CHECK(found.worst()[0].record == 14);
}

TEST_CASE("base64 is RFC 4648's, and a bitmap has the bytes that Pillow writes") {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) CHECK(base64(bytes) == text);
  // Image.frombytes("RGB", (3, 2), bytes(range(1, 19))).save("x.bmp").
  Picture picture{.shape = {3, 2, 3}};
  for (int i = 1; i < 19; ++i) picture.bytes.push_back(static_cast<std::uint8_t>(i));
  CHECK(
      base64(bitmap(picture)) ==
      "Qk1OAAAAAAAAADYAAAAoAAAAAwAAAAIAAAABABgAAAAAABgAAADEDgAAxA4AAAAAAAAAAAAADAsKDw4NEhEQAAAAAwIBBgUECQgHAAAA");
  Picture gray{.shape = {1, 100, 200}};
  gray.bytes.assign(100 * 200, 77);
  const std::string uri = thumbnail(gray);
  CHECK(uri.starts_with("data:image/bmp;base64,Qk"));
  CHECK(uri.size() == 22 + (54 + 64 * 32 * 3 + 2) / 3 * 4);
  CHECK(thumbnail(gray, 1000).size() > 80'000);
}

TEST_CASE("a page shows a square for each block, mistakes in a table, and names that cannot break it") {
  RunReport report;
  report.rows.push_back({.epoch = 1, .train_loss = 1});
  report.layers = {{"Conv 3x3", "conv1", {16, 32, 32}, 0, 0, "", false},
                   {"3 blocks", "blocks.0", {16, 32, 32}, 0, 0, "", false, 3},
                   {"Conv 3x3", "conv1", {16, 32, 32}, 0, 0, "", true},
                   {"2 blocks", "blocks.3", {32, 16, 16}, 0, 0, "", false, 2}};
  report.survival = {1, 0.9, 0.8, 0.7, 0.5};
  report.classification = Classification("test", 6, {"a<b>", "b", "c", "d", "e", "f"});
  std::string html = report_html(report);
  CHECK(count(html, "class='block'") == 5);
  CHECK(contains(html, "title='block 4 survives with probability 0.5'"));
  CHECK(contains(html, "0.7 … 0.5</td><td>32 x 16 x 16"));
  CHECK(count(html, "<th>Conv 3x3</th>") == 1);  // what is inside a block is not drawn
  CHECK_FALSE(contains(html, "Confusion"));      // no pictures

  report.classification.add(std::vector<float>{3, 0, 0, 0, 0, 0}, 1, 0);
  report.classification.add(std::vector<float>{3, 0, 0, 0, 0, 0}, 0, 1);
  report.classification.worst()[0].thumbnail = "data:image/bmp;base64,Qk0=";
  html = report_html(report);
  CHECK(contains(html, "Confusion of the test pictures"));
  CHECK(contains(html, "<td class='right' style='--share:1'>1</td>"));
  CHECK(contains(html, "<b>b</b>taken for a&lt;b&gt;, "));
  CHECK(count(html, "<img alt='b' src='data:image/bmp") == 1);
  CHECK(contains(html, "<span>top-5 test error</span>"));
  CHECK_FALSE(contains(html, "a<b>"));
  CHECK_FALSE(contains(html, "nan"));
  for (const char* outside : {"http", "<script", "<link", "@import", "url("})
    CHECK_FALSE(contains(html, outside));

  report.classification = Classification("validation", 100, {});
  std::vector<float> logits(100);
  logits[7] = 5;
  for (const int label : {90, 50, 20, 50, 7, 50}) report.classification.add(logits, label, 0);
  logits[90] = 6;
  report.classification.add(logits, 7, 0);
  html = report_html(report);
  // the most frequent mistakes, the largest errors first; of equal ones the smaller class
  CHECK(contains(html,
                 "<tr><td>50</td><td>7</td><td>3</td></tr>\n"
                 "<tr><td>7</td><td>90</td><td>1</td></tr>\n"
                 "<tr><td>20</td><td>7</td><td>1</td></tr>\n"
                 "<tr><td>90</td><td>7</td><td>1</td></tr>\n</table>"));
  CHECK(contains(html,
                 "<tr><td>20</td><td>100 %</td><td>1</td></tr>\n"
                 "<tr><td>50</td><td>100 %</td><td>3</td></tr>\n"
                 "<tr><td>90</td><td>100 %</td><td>1</td></tr>\n"
                 "<tr><td>7</td><td>50 %</td><td>2</td></tr>\n</table>"));
  CHECK(count(html, "<tr>") < 40);
  for (int label = 0; label < 40; ++label)
    for (const int predicted : {41, 42}) {
      std::vector<float> wrong(100);
      wrong[static_cast<std::size_t>(predicted)] = 5;
      report.classification.add(wrong, label, 0);
    }
  CHECK(count(report_html(report), "<tr>") < 50);  // twenty rows of each, and not a hundred
}

}  // namespace sdepth::test::classification_test
