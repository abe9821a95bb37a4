#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <sdepth/io/csv.hpp>

#include "scratch_folder.hpp"

namespace sdepth::test::csv_test {

TEST_CASE("rows reach the file at flush, whole numbers exactly and others with nine digits") {
  const ScratchFolder folder;
  CsvLog log = CsvLog::create(folder / "losses.csv", "step,loss");
  log.row(std::uint64_t{18446744073709551615U}, 2.302585092994046);
  log.row(1, std::numeric_limits<double>::quiet_NaN());
  CHECK(bytes_of(folder / "losses.csv") == "step,loss\n");
  log.flush();
  CHECK(bytes_of(folder / "losses.csv") == "step,loss\n18446744073709551615,2.30258509\n1,nan\n");
  log.row(2, 0.5F);
  log.flush();
  CHECK(bytes_of(folder / "losses.csv") == "step,loss\n18446744073709551615,2.30258509\n1,nan\n2,0.5\n");
}

TEST_CASE("a log replaces an older file, and loses no row when it is moved or destroyed") {
  const ScratchFolder folder;
  put(folder / "a.csv", "step,loss\n7,7\n");
  {
    CsvLog log;
    log = CsvLog::create(folder / "a.csv", "step,loss");
    log.row(0, 1.5);
    CsvLog other = CsvLog::create(folder / "b.csv", "step,loss");
    other.row(5, 2.5);
    log = std::move(other);
    log.row(6, 3.5);
  }
  CHECK(bytes_of(folder / "a.csv") == "step,loss\n0,1.5\n");
  CHECK(bytes_of(folder / "b.csv") == "step,loss\n5,2.5\n6,3.5\n");
}

TEST_CASE(
    "a resumed log keeps the rows before the checkpoint, drops the later ones and a row cut off, and grows on") {
  const ScratchFolder folder;
  put(folder / "losses.csv", "step,loss\n0,1.5\n1,1.25\n2,1\n10,0.5\n1");  // the last was to become 11
  {
    CsvLog log = CsvLog::resume(folder / "losses.csv", "step,loss", 2);
    CHECK(bytes_of(folder / "losses.csv") == "step,loss\n0,1.5\n1,1.25\n");
    log.row(2, 0.75);
  }
  CHECK(bytes_of(folder / "losses.csv") == "step,loss\n0,1.5\n1,1.25\n2,0.75\n");
  (void)CsvLog::resume(folder / "losses.csv", "step,loss", 0);
  CHECK(bytes_of(folder / "losses.csv") == "step,loss\n");
}

TEST_CASE("gates are written as read_gates reads them, and resumed by the number of rows") {
  const ScratchFolder folder;
  const std::vector<std::vector<std::uint8_t>> gates = {{0, 1, 1}, {1, 1, 1}, {0, 0, 0}};
  {
    CsvLog log = CsvLog::create(folder / "gates.csv", "");
    for (const auto& step : gates) log.gate_row(step);
  }
  CHECK(bytes_of(folder / "gates.csv") == "0,1,1\n1,1,1\n0,0,0\n");
  CHECK(read_gates(folder / "gates.csv", 3) == gates);
  {
    CsvLog log = CsvLog::resume(folder / "gates.csv", "", 2);
    log.gate_row(gates[0]);
  }
  CHECK(bytes_of(folder / "gates.csv") == "0,1,1\n1,1,1\n0,1,1\n");
}

TEST_CASE("a log that is some other file is refused and left alone") {
  const ScratchFolder folder;
  const auto refused = [&](const std::string& content, const std::string& sentence) {
    put(folder / "a.csv", content);
    CHECK(contains(sentence_of([&] { (void)CsvLog::resume(folder / "a.csv", "step,loss", 5); }), sentence));
    CHECK(bytes_of(folder / "a.csv") == content);
  };
  refused("epoch,loss\n1,1\n", "the first line is \"epoch,loss\", expected \"step,loss\"");
  refused("", "the first line is \"\"");
  refused("step,loss\n1,1\nx,1\n", "line 3, column 1 is \"x\", expected a whole number");
  refused("step,loss\n-1,1\n", "line 2, column 1 is \"-1\"");
  CHECK(contains(sentence_of([&] { (void)CsvLog::resume(folder / "missing.csv", "step,loss", 5); }),
                 "missing.csv cannot be read"));
}

TEST_CASE("a table that was saved on Windows is read, and goes on with the line ends of its own") {
  const ScratchFolder folder;
  const std::string saved = "\xEF\xBB\xBFstep,loss\r\n0,1.5\r\n1,1.25\r\n2,1\r\n";
  put(folder / "a.csv", saved);
  CHECK(read_csv(folder / "a.csv", "step,loss") ==
        std::vector<std::vector<double>>{{0, 1.5}, {1, 1.25}, {2, 1}});
  CHECK(read_csv(folder / "a.csv", "step").size() == 3);  // whose columns behind are left out
  {
    CsvLog log = CsvLog::resume(folder / "a.csv", "step,loss", 2);
  }
  CHECK(bytes_of(folder / "a.csv") == "step,loss\n0,1.5\n1,1.25\n");
  put(folder / "gates.csv",
      "\xEF\xBB\xBF"
      "0,1\r\n1,1\r\n");
  CHECK(read_gates(folder / "gates.csv", 2) == std::vector<std::vector<std::uint8_t>>{{0, 1}, {1, 1}});
  {
    CsvLog log = CsvLog::resume(folder / "gates.csv", "", 1);
  }
  CHECK(bytes_of(folder / "gates.csv").ends_with("0,1\n"));
  put(folder / "a.csv", "\r\n");
  CHECK(contains(sentence_of([&] { (void)read_csv(folder / "a.csv", "step,loss"); }),
                 "the first line is \"\""));
}

TEST_CASE("a table without the rows that a run has made is refused and left alone") {
  const ScratchFolder folder;
  const auto refused = [&](const std::string& header, std::uint64_t next, std::uint64_t first,
                           const std::string& content, const std::string& sentence) {
    put(folder / "a.csv", content);
    CHECK(contains(sentence_of([&] { (void)CsvLog::resume(folder / "a.csv", header, next, first); }),
                   sentence));
    CHECK(bytes_of(folder / "a.csv") == content);
  };
  refused("step,loss", 2, 0, "step,loss\n",
          "a.csv ends before step 0, but the run has got to the end of step 1");
  refused("step,loss", 3, 0, "step,loss\n0,1\n1,1\n", "a.csv ends before step 2");
  refused("step,loss", 2, 0, "step,loss\n0,1\n1,1", "a.csv ends before step 1");  // half a row is none
  refused("step,loss", 3, 0, "step,loss\n0,1\n2,1\n",
          "line 3 is of step 2, expected step 1; the table was altered");
  refused("step,loss", 3, 0, "step,loss\n0,1\n0,1\n1,1\n2,1\n", "line 3 is of step 0, expected step 1");
  refused("epoch,loss", 3, 1, "epoch,loss\n0,1\n1,1\n", "line 2 is of epoch 0, expected epoch 1");
  refused("", 3, 0, "0,1\n1,1\n", "a.csv ends before row 2");
  put(folder / "a.csv", "epoch,loss\n1,1\n2,1\n3,1\n9,9\n");
  {
    CsvLog log = CsvLog::resume(folder / "a.csv", "epoch,loss", 3, 1);
  }
  CHECK(bytes_of(folder / "a.csv") == "epoch,loss\n1,1\n2,1\n");
}

TEST_CASE("a full disk is a sentence, at a flush and at a row that makes one") {
  const ScratchFolder folder;
  CsvLog log = CsvLog::create(folder / "a.csv", "step,loss");
  std::string at_flush, at_row;
  {
    const FileSizeLimit limit(100);
    at_flush = sentence_of([&] {
      for (int step = 0; step < 50; ++step) log.row(step, 0.5);
      log.flush();
    });
    at_row = sentence_of([&] {
      for (int step = 0; step < 100'000; ++step) log.row(step, 0.5);
    });
  }
  CHECK_NOTHROW([&] {  // nobody waits for what a log says that ends while an exception is under way
    const CsvLog ends = CsvLog::create(folder / "b.csv", "step,loss");
    const FileSizeLimit limit(11);
    CsvLog taken = CsvLog::resume(folder / "b.csv", "step,loss", 0);
    taken.row(0, 0.5);
  }());
  CHECK(contains(at_flush, "a.csv cannot be written: File too large; free some space"));
  CHECK(contains(at_row, "a.csv cannot be written: File too large; free some space"));
}

TEST_CASE("a row must have the columns of its table") {
  const ScratchFolder folder;
  CsvLog log = CsvLog::create(folder / "a.csv", "step,loss");
  CHECK(contains(sentence_of([&] { log.row(1, 2, 3); }), "a row of 3 cells does not fit"));
}

TEST_CASE("a table comes back as numbers") {
  const ScratchFolder folder;
  {
    CsvLog log = CsvLog::create(folder / "metrics.csv", "epoch,loss,error");
    log.row(1, 0.5, std::numeric_limits<double>::quiet_NaN());
    log.row(2, 1e-12, 99.5);
  }
  const auto rows = read_csv(folder / "metrics.csv", "epoch,loss,error");
  REQUIRE(rows.size() == 2);
  CHECK(rows[0][1] == 0.5);
  CHECK(std::isnan(rows[0][2]));
  CHECK(rows[1] == std::vector<double>{2, 1e-12, 99.5});

  put(folder / "metrics.csv", "epoch,loss\n1,2\n1,2,3\n");
  CHECK(contains(sentence_of([&] { (void)read_csv(folder / "metrics.csv", "epoch,loss"); }),
                 "line 3 has 3 columns, expected 2"));
  put(folder / "metrics.csv", "epoch,loss\n1,two\n");
  CHECK(contains(sentence_of([&] { (void)read_csv(folder / "metrics.csv", "epoch,loss"); }),
                 "line 2, column 2 is \"two\", expected a number"));
  put(folder / "metrics.csv", "epoch,loss\n1,\n");
  CHECK(contains(sentence_of([&] { (void)read_csv(folder / "metrics.csv", "epoch,loss"); }),
                 "line 2, column 2 is \"\""));
}

TEST_CASE("forced gates that are not a 0 or 1 per block are refused with line and column") {
  const ScratchFolder folder;
  const auto sentence = [&](const std::string& content) {
    put(folder / "gates.csv", content);
    return sentence_of([&] { (void)read_gates(folder / "gates.csv", 3); });
  };
  CHECK(sentence("0,1,1\n1,1,0\n").empty());
  CHECK(sentence("0,1,1\r\n1,1,0").empty());  // from Windows, and without the last line end
  CHECK(
      contains(sentence("0,1,1\n1,2,0\n"),
               "gates.csv: line 2, column 2 is \"2\", expected 0 (the block is skipped) or 1 (it survives)"));
  CHECK(contains(sentence("0,1,\n"), "line 1, column 3 is \"\""));
  CHECK(contains(sentence("b1,b2,b3\n0,1,1\n"), "line 1, column 1 is \"b1\""));
  CHECK(contains(sentence("0,1,1\n1,1\n"),
                 "line 2 has 2 gates, expected 3, one for each residual block of the network"));
  CHECK(contains(sentence("0,1,1,1\n"), "line 1 has 4 gates"));
  CHECK(contains(sentence("0,1,1\n\n0,1,1\n"), "line 2 has 0 gates"));
  CHECK(contains(sentence("0, 1, 1\n"), "column 2 is \" 1\""));
  CHECK(contains(sentence(""), "is empty, expected a line of 3 gates"));
}

}  // namespace sdepth::test::csv_test
