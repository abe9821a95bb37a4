#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include <sdepth/program/report.hpp>

#include "../io/scratch_folder.hpp"

namespace sdepth::test::report_test {

using namespace sdepth::program;

namespace {

RunReport report_of(int epochs) {
  RunReport report;
  report.title = "resnet110 <b> & co";
  report.facts = {{"command", "train --out 'a<b>'"}, {"seed", "7"}};
  report.residual_blocks = 54;
  report.expected_blocks = 40.25;
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    EpochRow row;
    row.epoch = epoch;
    row.train_loss = 2.3 / epoch;
    row.train_error = 90.0 / epoch;
    row.test_error = 91.0 / epoch;
    row.seconds = 61.0;
    row.blocks_run = 40.0;
    row.learning_rate = 2 * epoch <= epochs ? 0.1 : 0.01;
    report.rows.push_back(row);
  }
  return report;
}

long count(const std::string& text, const std::string& part) {
  long found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

}  // namespace

TEST_CASE("the page has every chart, figure and fact, escaped, and needs nothing from outside") {
  const std::string html = report_html(report_of(500));
  CHECK(count(html, "<svg") == 4);
  CHECK(count(html, "<svg") == count(html, "</svg>"));
  CHECK(count(html, "class='strip'") == 4 * 500);
  CHECK(contains(html, "<title>resnet110 &lt;b&gt; &amp; co</title>"));
  CHECK(contains(html, "<td>train --out &#39;a&lt;b&gt;&#39;</td>"));
  CHECK(contains(html, "<b>0.18 %</b><span>test error after epoch 500</span>"));
  CHECK(contains(html, "<b>8 h 28 min</b><span>500 epochs, 1 min 1 s each</span>"));
  CHECK(contains(html, "<b>40 of 54</b>"));
  CHECK(contains(html, ">expected 40.25</text>"));
  CHECK(contains(html, "cross-entropy per image, logarithmic"));
  CHECK(contains(html, ">learning rate 0.01</text>"));
  for (const char* outside : {"http", "<script", "<link", "@import", "url("})
    CHECK_FALSE(contains(html, outside));
}

TEST_CASE("values that are none leave no trace but the rest of the page") {
  RunReport report = report_of(1);
  std::string html = report_html(report);
  CHECK_FALSE(contains(html, "validation</"));
  CHECK_FALSE(contains(html, "nan"));
  CHECK(contains(html, "<span>1 epoch</span>"));
  CHECK_FALSE(contains(html, "logarithmic"));

  report.rows[0].train_loss = std::numeric_limits<double>::infinity();
  html = report_html(report);
  CHECK(contains(html, "Nothing to draw yet"));
  CHECK(count(html, "<svg") == 3);

  report = report_of(3);  // a gradient in the first epoch alone
  report.rows[0].gradient = 0.5;
  CHECK_FALSE(contains(report_html(report), "nan"));
  CHECK(contains(report_html(report), "gradient –</span>"));
}

TEST_CASE("a path that is not UTF-8 is shown in a page that is") {
  RunReport report = report_of(1);
  report.facts = {{"--data-dir", "caf\xE9 \xC3\xA9"}};
  CHECK(contains(report_html(report), "<td>caf\xEF\xBF\xBD \xC3\xA9</td>"));
}

TEST_CASE("a run without residual blocks has no chart of them, one without epochs no chart at all") {
  RunReport report = report_of(3);
  report.residual_blocks = 0;
  CHECK(count(report_html(report), "<svg") == 3);
  report.rows.clear();
  CHECK(count(report_html(report), "<svg") == 0);
  CHECK(contains(report_html(report), "No epoch is complete yet"));
}

TEST_CASE("a learning rate that changes in every epoch is not marked in every epoch") {
  RunReport report = report_of(100);
  for (EpochRow& row : report.rows) row.learning_rate = 0.1 / row.epoch;
  CHECK_FALSE(contains(report_html(report), ">learning rate 0.05</text>"));
}

TEST_CASE("a report that cannot be written is a sentence and leaves the old one") {
  const ScratchFolder folder;
  put(folder / "report.html", "the old report");
  std::string sentence;
  {
    const FileSizeLimit limit(1000);
    sentence = sentence_of([&] { write_report(folder / "report.html", report_of(10)); });
  }
  CHECK(contains(sentence, "report.html cannot be written: File too large"));
  CHECK(bytes_of(folder / "report.html") == "the old report");
}

TEST_CASE("durations read as people say them") {
  CHECK(duration_text(9.21) == "9.2 s");
  CHECK(duration_text(65.0) == "1 min 5 s");
  CHECK(duration_text(3599.6) == "1 h 0 min");
  CHECK(duration_text(3725.4) == "1 h 2 min");
  CHECK(duration_text(std::numeric_limits<double>::quiet_NaN()) == "nan s");
}

}  // namespace sdepth::test::report_test
