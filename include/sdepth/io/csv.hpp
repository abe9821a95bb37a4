// Tables that grow by a row at a time and outlive the process: metrics.csv, losses.csv and gates.csv; and
// gates back in.
#pragma once

#include <fcntl.h>

#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/io/file.hpp>
#include <sdepth/io/text.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Splits off and returns what precedes the next `separator`, or all that is left.
[[nodiscard]] inline std::string_view take_until(std::string_view& text, char separator) noexcept {
  const std::string_view part = text.substr(0, text.find(separator));
  text.remove_prefix(part.size() == text.size() ? part.size() : part.size() + 1);
  return part;
}

/// The cells of a line, between its commas; none in an empty line.
[[nodiscard]] inline std::vector<std::string_view> cells_of(std::string_view line) {
  std::vector<std::string_view> cells;
  while (!line.empty()) {
    const bool comma_at_end = line.find(',') + 1 == line.size();
    cells.push_back(take_until(line, ','));
    if (comma_at_end) cells.emplace_back();
  }
  return cells;
}

/// The whole lines of a table. A last one without its end, which a killed process may leave, is not a row.
[[nodiscard]] inline std::string_view whole_lines(std::string_view text) noexcept {
  return text.substr(0, text.rfind('\n') + 1);
}

/// Splits off and returns the next line, without its end: \n, or \r\n as editors on Windows write it.
[[nodiscard]] inline std::string_view take_line(std::string_view& text) noexcept {
  std::string_view line = take_until(text, '\n');
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

/// `text` without the mark that some editors put before UTF-8.
[[nodiscard]] inline std::string_view without_mark(std::string_view text) noexcept {
  constexpr std::string_view mark = "\xEF\xBB\xBF";
  if (text.starts_with(mark)) text.remove_prefix(mark.size());
  return text;
}

/// Takes the first line off and checks that it is `header`.
inline void take_header(std::string_view& text, std::string_view header, const std::string& where) {
  const std::string_view found = take_line(text);
  if (found != header)
    fail(where, ": the first line is ", in_quotes(found), ", expected ", in_quotes(header),
         "; was it written by another program or version?");
}

/// `cell` as a number of type T, all of it. Throws Error with line and column, both counted from 1.
template <class T>
[[nodiscard]] T number_in(std::string_view cell, const std::string& where, std::size_t line,
                          std::size_t column) {
  T value{};
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (error != std::errc() || end != cell.data() + cell.size())
    fail(where, ": line ", line, ", column ", column, " is ", in_quotes(cell), ", expected a ",
         std::is_integral_v<T> ? "whole " : "", "number");
  return value;
}

/// Reads a table of numbers under the header line `header`, as CsvLog writes it: rows outside, columns
/// inside; "nan" is a number. The file may have more columns behind those asked for, as tables of later
/// versions do; they are left out. Lines may end as on Windows. Throws Error with line and column where the
/// file is no such table.
[[nodiscard]] inline std::vector<std::vector<double>> read_csv(const std::filesystem::path& path,
                                                               std::string_view header) {
  const std::string bytes = read_whole_file(path);
  const std::string where = path.string();
  std::string_view text = whole_lines(without_mark(bytes)), rest = text;
  const std::string_view found = take_line(rest);
  const bool more = found.starts_with(header) && found.substr(header.size()).starts_with(',');
  take_header(text, more ? found : header, where);
  const std::size_t wanted = cells_of(header).size(), columns = more ? cells_of(found).size() : wanted;
  std::vector<std::vector<double>> rows;
  while (!text.empty()) {
    const std::size_t line = rows.size() + 2;
    const auto cells = cells_of(take_line(text));
    if (cells.size() != columns)
      fail(where, ": line ", line, " has ", cells.size(), " columns, expected ", columns,
           " as in the first line");
    std::vector<double>& row = rows.emplace_back();
    for (const std::string_view cell : std::span(cells).first(wanted))
      row.push_back(number_in<double>(cell, where, line, row.size() + 1));
  }
  return rows;
}

/// The rows before `next` of a table of CsvLog's, its header included: those whose first column, a whole
/// number, is less, or in a table without a header, the first `next` rows. Throws Error where these are not
/// the rows `first`, `first` + 1 … `next` − 1, each once, or the file is no such table. Lines may end as on
/// Windows.
[[nodiscard]] inline std::string rows_before(const std::filesystem::path& path, const std::string& header,
                                             std::uint64_t next, std::uint64_t first = 0) {
  const std::string bytes = read_whole_file(path);
  const std::string where = path.string();
  std::string_view text = whole_lines(without_mark(bytes));
  const std::string counted = header.empty() ? "row" : header.substr(0, header.find(','));
  const char* advice =
      "; the table was altered since it was written, so put it back as it was, or begin another run by --out";
  std::string kept, out_of_order;
  if (!header.empty()) {
    take_header(text, header, where);
    kept = header + "\n";
  }
  std::uint64_t expected = first;
  for (std::size_t line = header.empty() ? 1 : 2; !text.empty(); ++line) {
    const std::string_view row = take_line(text);
    const std::uint64_t key =
        header.empty() ? line - 1 : number_in<std::uint64_t>(row.substr(0, row.find(',')), where, line, 1);
    if (key >= next) continue;
    if (key == expected)
      ++expected;
    else if (out_of_order.empty())
      out_of_order = ": line " + std::to_string(line) + " is of " + counted + " " + std::to_string(key) +
                     ", expected " + counted + " " + std::to_string(expected);
    kept.append(row).append("\n");
  }
  // only now: what is no number at all says more
  if (!out_of_order.empty()) fail(where, out_of_order, advice);
  if (expected < next)
    fail(where, " ends before ", counted, " ", expected, ", but the run has got to the end of ", counted, " ",
         next - 1, advice);
  return kept;
}

/// A table under construction. Rows gather in memory and reach the file at flush(), at the end of an epoch,
/// say, or by 64 KiB.
///
/// A run that is stopped and resumed starts its tables again from the last checkpoint: resume() keeps the
/// rows before it, so that the finished table is the one of a run never stopped.
class CsvLog {
 public:
  CsvLog() = default;

  /// A new table with the column names `header`, "step,loss" say; an empty one for a table without a header,
  /// as gates.csv is. An older file of that name is replaced.
  [[nodiscard]] static CsvLog create(const std::filesystem::path& path, std::string header) {
    write_file_atomically(path, header.empty() ? "" : header + "\n");
    return CsvLog(path, std::move(header));
  }

  /// Goes on with a table, of which only rows_before() are kept. Throws Error as that does, and leaves the
  /// file alone then.
  [[nodiscard]] static CsvLog resume(const std::filesystem::path& path, std::string header,
                                     std::uint64_t next, std::uint64_t first = 0) {
    const std::string kept = rows_before(path, header, next, first);
    if (kept != read_whole_file(path)) write_file_atomically(path, kept);
    return CsvLog(path, std::move(header));
  }

  CsvLog(CsvLog&&) = default;
  CsvLog& operator=(CsvLog&& other) noexcept {
    std::swap(file_, other.file_);
    header_.swap(other.header_);
    pending_.swap(other.pending_);
    return *this;
  }
  /// Rows since the last flush() are written if that is possible; call flush() to learn whether it was.
  ~CsvLog() {
    try {
      flush();
    } catch (const Error&) {
      // the file keeps what it had; a destructor has nobody to tell
    }
  }

  /// Adds a row: whole numbers exactly, others with 9 significant digits.
  template <class... Cells>
  void row(Cells... cells) {
    static_assert((std::is_arithmetic_v<Cells> && ...), "a row of a table consists of numbers");
    (add(cells), ...);
    end_row(sizeof...(Cells));
  }

  /// Adds a row of gates: 0 or 1 for each block.
  void gate_row(std::span<const std::uint8_t> gates) {
    for (const std::uint8_t gate : gates) pending_ += gate ? "1," : "0,";
    end_row(gates.size());
  }

  /// Returns once all rows are in the file and on the disk. Throws Error where they cannot be.
  void flush() {
    if (!file_.is_open() || pending_.empty()) return;
    // Whatever comes of it, these rows are not written again: half a row twice is worse than half a row.
    const std::string rows = std::exchange(pending_, {});
    file_.write(rows);
    file_.sync();
  }

 private:
  CsvLog(const std::filesystem::path& path, std::string header)
      : file_(path, O_WRONLY | O_APPEND, path.string(), "written"), header_(std::move(header)) {}

  void add(std::integral auto value) { pending_ += std::to_string(value) + ","; }
  void add(std::floating_point auto value) { pending_ += decimal(static_cast<double>(value), 9) + ","; }

  void end_row(std::size_t cells) {
    if (cells > 0) pending_.pop_back();  // the last comma
    pending_ += '\n';
    if (!header_.empty() && cells != cells_of(header_).size())
      fail("a row of ", cells, " cells does not fit a table with the columns ", in_quotes(header_),
           ": please report it");
    constexpr std::size_t enough = 64 * 1024;
    if (pending_.size() >= enough) flush();
  }

  OpenFile file_;
  std::string header_;
  std::string pending_;
};

/// Forced gates: a line per training step, in each a 0 (skipped) or 1 (survives) for every residual block,
/// separated by commas, without a header; gates.csv of an earlier run is such a text. Lines may end as on
/// Windows.
/// @param where  the file, for messages   @param blocks  Residual blocks of the network.
/// Throws Error with line and column where the text is anything else, or empty.
[[nodiscard]] inline std::vector<std::vector<std::uint8_t>> gates_in(std::string_view text,
                                                                     const std::string& where, int blocks) {
  text = without_mark(text);
  std::vector<std::vector<std::uint8_t>> steps;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    std::vector<std::uint8_t> gates;
    for (const std::string_view cell : cells_of(line)) {
      if (cell != "0" && cell != "1")
        fail(where, ": line ", steps.size() + 1, ", column ", gates.size() + 1, " is ", in_quotes(cell),
             ", expected 0 (the block is skipped) or 1 (it survives)");
      gates.push_back(cell == "1");
    }
    if (gates.size() != static_cast<std::size_t>(blocks))
      fail(where, ": line ", steps.size() + 1, " has ", gates.size(), " gates, expected ", blocks,
           ", one for each residual block of the network");
    steps.push_back(std::move(gates));
  }
  if (steps.empty()) fail(where, " is empty, expected a line of ", blocks, " gates for each training step");
  return steps;
}

/// The same out of a file.
[[nodiscard]] inline std::vector<std::vector<std::uint8_t>> read_gates(const std::filesystem::path& path,
                                                                       int blocks) {
  return gates_in(read_whole_file(path), path.string(), blocks);
}

}  // namespace sdepth::inline SDEPTH_ISA
