// The folder of a run: its tables, report, model and checkpoint, and in which order they are written.
#pragma once

#include <unistd.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/io/csv.hpp>
#include <sdepth/io/file.hpp>
#include <sdepth/program/report.hpp>
#include <sdepth/program/event_log.hpp>
#include <sdepth/program/folder_lock.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// How far a run is that goes on, and what its tables must hold for that.
struct RunProgress {
  std::uint64_t steps = 0;
  int epochs = 0;  // whole ones
  int residual_blocks = 0;
  bool validated = false;  // whether there are pictures for it, and so errors in every row
  bool tested = false;
  bool averaged = false;  // whether there is an average of the weights, with a table of its own
  bool events = false;    // whether numbers are written for TensorBoard, too
};

/// Everything that a run leaves behind. Without a path nothing is written.
///
/// The checkpoint is always the last to be written, and tables are on the disk before it. So a run killed at
/// any moment is found with a checkpoint whose rows are all there; rows beyond it are dropped when it goes
/// on. Only the checkpoint of step 0 comes before the tables, which may be missing then: a folder without a
/// checkpoint has nothing in it that another run would have to save.
class RunFolder {
 public:
  RunFolder() = default;

  /// A folder for a new run, made where there is none and held for this process; tables begin with
  /// begin_tables(). Throws Error where it holds a run already, or any other file that the run would write.
  [[nodiscard]] static RunFolder create(const std::filesystem::path& path) {
    namespace fs = std::filesystem;
    std::error_code error, none;
    fs::create_directories(behind_links(path), error);
    if (!fs::is_directory(path, none))
      fail("--out ", path.string(), ": the folder cannot be made (",
           error ? error.message() : "there is a file of that name", "); choose another");
    RunFolder folder(path);
    folder.lock_ = FolderLock(path);
    for (const char* name : {"checkpoint.safetensors", "model.safetensors"})
      if (fs::exists(path / name, none))
        fail(path.string(), " holds a run already (", name, "); go on with it by --resume ", path.string(),
             ", or choose another folder by --out");
    for (const std::string name : written)
      for (const std::string& file : {name, name + ".partial"}) {
        // Half of a first checkpoint may be left of a run that was killed, and is no obstacle to the next.
        if (file == "checkpoint.safetensors.partial" || !fs::exists(path / file, none)) continue;
        fail(
            "--out ", path.string(), ": ", file,
            " is there already, and the run would write over it; choose another folder, or move that file away");
      }
    return folder;
  }

  /// @param averaged, events  as of RunProgress
  void begin_tables(bool averaged, bool events) {
    if (!writes()) return;
    losses_ = CsvLog::create(path_ / "losses.csv", losses_header);
    gates_ = CsvLog::create(path_ / "gates.csv", "");
    metrics_ = CsvLog::create(path_ / "metrics.csv", metrics_header);
    if (averaged) averages_ = CsvLog::create(path_ / "average.csv", averages_header);
    if (events) events_ = EventLog::create(path_ / EventLog::file_name);
  }

  /// The folder of a run that goes on; `rows` receives the rows of its whole epochs. Whoever calls holds it
  /// for this process. Throws Error, and leaves all tables alone, where one of them has other rows than the
  /// run has made.
  [[nodiscard]] static RunFolder resume(const std::filesystem::path& path, const RunProgress& run,
                                        std::vector<EpochRow>& rows) {
    RunFolder folder(path);
    for (const char* name : written)
      if (std::error_code none;
          std::filesystem::is_directory(path / name, none) ||
          (std::filesystem::exists(path / name, none) && ::access((path / name).c_str(), W_OK) != 0))
        fail(path.string(), ": ", name,
             " cannot be written, and the run would write it; it is protected, or no file");
    const std::filesystem::path losses = path / "losses.csv", gates = path / "gates.csv",
                                metrics = path / "metrics.csv", averages = path / "average.csv";
    std::error_code none;
    if (run.steps == 0 && !(std::filesystem::exists(losses, none) && std::filesystem::exists(gates, none) &&
                            std::filesystem::exists(metrics, none) &&
                            (!run.averaged || std::filesystem::exists(averages, none)))) {
      folder.begin_tables(run.averaged, run.events);
      return folder;
    }
    const auto next_epoch = static_cast<std::uint64_t>(run.epochs) + 1;
    static_cast<void>(numbers_of(losses, losses_header, 0, run.steps, {0, 1}));
    const std::string drawn = rows_before(gates, "", run.steps);
    if (!drawn.empty() && run.residual_blocks > 0)
      static_cast<void>(gates_in(drawn, gates.string(), run.residual_blocks));
    std::vector<std::size_t> always{0, 1, 2, 5, 6, 7};  // a gradient there may be none
    if (run.validated) always.push_back(3);
    if (run.tested) always.push_back(4);
    for (const auto& row : numbers_of(metrics, metrics_header, 1, next_epoch, always))
      rows.push_back(
          {static_cast<int>(row[0]), row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8]});
    if (run.averaged) {
      std::vector<std::size_t> judged;
      if (run.validated) judged.push_back(1);
      if (run.tested) judged.push_back(2);
      const auto errors = numbers_of(averages, averages_header, 1, next_epoch, judged);
      for (std::size_t i = 0; i < rows.size(); ++i)
        rows[i].average_validation_error = errors[i][1], rows[i].average_test_error = errors[i][2];
      folder.averages_ = CsvLog::resume(averages, averages_header, next_epoch, 1);
    }
    if (run.events) folder.events_ = EventLog::resume(path / EventLog::file_name, run.steps);
    folder.losses_ = CsvLog::resume(losses, losses_header, run.steps);
    folder.gates_ = CsvLog::resume(gates, "", run.steps);
    folder.metrics_ = CsvLog::resume(metrics, metrics_header, next_epoch, 1);
    return folder;
  }

  /// What the table of a folder says that an epoch has taken; 0 where it has no row of it.
  [[nodiscard]] static double seconds_of_epoch(const std::filesystem::path& path, int epoch) {
    const std::filesystem::path metrics = path / "metrics.csv";
    if (std::error_code none; !std::filesystem::exists(metrics, none)) return 0;
    for (const auto& row : read_csv(metrics, metrics_header))
      if (static_cast<int>(row[0]) == epoch && std::isfinite(row[5])) return row[5];
    return 0;
  }

  [[nodiscard]] bool writes() const noexcept { return !path_.empty(); }
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] std::filesystem::path checkpoint() const { return path_ / "checkpoint.safetensors"; }
  [[nodiscard]] std::filesystem::path best_model() const { return path_ / "best.safetensors"; }
  [[nodiscard]] std::filesystem::path average_model() const { return path_ / "average.safetensors"; }
  [[nodiscard]] std::filesystem::path model() const { return path_ / "model.safetensors"; }

  void add_step(std::uint64_t step, double loss, std::span<const std::uint8_t> gates, double learning_rate) {
    if (!writes()) return;
    if (events_) {
      events_->scalar(step + 1, "step/loss", loss);
      events_->scalar(step + 1, "step/learning_rate", learning_rate);
    }
    losses_.row(step, loss);
    gates_.gate_row(gates);
  }
  /// @param steps  that the run has made
  void add_epoch(const EpochRow& row, std::uint64_t steps) {
    if (!writes()) return;
    metrics_.row(row.epoch, row.train_loss, row.train_error, row.validation_error, row.test_error,
                 row.seconds, row.blocks_run, row.learning_rate, row.gradient);
    if (averages_) averages_->row(row.epoch, row.average_validation_error, row.average_test_error);
    if (!events_) return;
    for (const auto& [tag, value] : {std::pair("loss/train", row.train_loss),
                                     {"error/train", row.train_error},
                                     {"error/validation", row.validation_error},
                                     {"error/test", row.test_error},
                                     {"error/validation_of_average", row.average_validation_error},
                                     {"error/test_of_average", row.average_test_error},
                                     {"epoch/blocks_run", row.blocks_run},
                                     {"epoch/gradient", row.gradient},
                                     {"epoch/seconds", row.seconds}})
      events_->scalar(steps, tag, value);
  }
  /// Returns once all rows are on the disk.
  void flush() {
    losses_.flush();
    gates_.flush();
    metrics_.flush();
    if (averages_) averages_->flush();
    if (events_) events_->flush();
  }

 private:
  explicit RunFolder(std::filesystem::path path) : path_(std::move(path)) {}

  /// The rows `first` … `next` − 1 of a table. Throws Error where one is missing, or has no finite number in
  /// one of these columns.
  [[nodiscard]] static std::vector<std::vector<double>> numbers_of(const std::filesystem::path& table,
                                                                   const char* header, std::uint64_t first,
                                                                   std::uint64_t next,
                                                                   const std::vector<std::size_t>& columns) {
    static_cast<void>(rows_before(table, header, next, first));
    auto rows = read_csv(table, header);
    std::erase_if(rows, [&](const std::vector<double>& row) { return row[0] >= static_cast<double>(next); });
    const auto names = cells_of(header);
    for (const auto& row : rows)
      for (const std::size_t column : columns)
        if (!std::isfinite(row[column]))
          fail(
              table.string(), ": the ", names[column], " of ", names[0], " ", row[0], " is ", row[column],
              ", expected a finite number; the table was altered since it was written, so put it back as it was");
    return rows;
  }

  static constexpr std::array written{"checkpoint.safetensors",
                                      "model.safetensors",
                                      "best.safetensors",
                                      "average.safetensors",
                                      "losses.csv",
                                      "gates.csv",
                                      "metrics.csv",
                                      "average.csv",
                                      "harm.csv",
                                      EventLog::file_name,
                                      "report.html"};
  static constexpr const char* losses_header = "step,loss";
  static constexpr const char* averages_header = "epoch,validation_error,test_error";
  static constexpr const char* metrics_header =
      "epoch,train_loss,train_error,validation_error,test_error,seconds,blocks_run,learning_rate,gradient";

  std::filesystem::path path_;
  FolderLock lock_;  // of a new run
  CsvLog losses_;
  CsvLog gates_;
  CsvLog metrics_;
  std::optional<CsvLog> averages_;
  std::optional<EventLog> events_;
};

}  // namespace sdepth::inline SDEPTH_ISA::program
