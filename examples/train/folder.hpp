// The folder of a run: its tables, report, model and checkpoint, and in which order they are written.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/io/csv.hpp>
#include <sdepth/io/report.hpp>

namespace programs {

/// Everything that a run leaves behind. Without a path nothing is written.
///
/// The checkpoint is always the last to be written, and tables are on the disk before it. So a run killed at any moment is found with a
/// checkpoint whose rows are all there; rows beyond it are dropped when it goes on.
class RunFolder {
 public:
  RunFolder() = default;

  /// A folder for a new run, made where there is none. Throws Error where it holds a run already.
  [[nodiscard]] static RunFolder create(const std::filesystem::path& path) {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (!std::filesystem::is_directory(path))
      sdepth::fail("--out ", path.string(), ": the folder cannot be made (", error ? error.message() : "there is a file of that name",
                   "); choose another");
    for (const char* name : {"checkpoint.safetensors", "model.safetensors"})
      if (std::filesystem::exists(path / name))
        sdepth::fail(path.string(), " holds a run already (", name, "); go on with it by --resume ", path.string(),
                     ", or choose another folder by --out");
    RunFolder folder(path);
    folder.losses_ = sdepth::CsvLog::create(path / "losses.csv", losses_header);
    folder.gates_ = sdepth::CsvLog::create(path / "gates.csv", "");
    folder.metrics_ = sdepth::CsvLog::create(path / "metrics.csv", metrics_header);
    return folder;
  }

  /// The folder of a run that goes on after `steps` steps and `epochs` whole epochs; `rows` receives the rows of these epochs.
  [[nodiscard]] static RunFolder resume(const std::filesystem::path& path, std::uint64_t steps, int epochs,
                                        std::vector<sdepth::EpochRow>& rows) {
    RunFolder folder(path);
    folder.losses_ = sdepth::CsvLog::resume(path / "losses.csv", losses_header, steps);
    folder.gates_ = sdepth::CsvLog::resume(path / "gates.csv", "", steps);
    folder.metrics_ = sdepth::CsvLog::resume(path / "metrics.csv", metrics_header, static_cast<std::uint64_t>(epochs) + 1);
    for (const auto& row : sdepth::read_csv(path / "metrics.csv", metrics_header))
      rows.push_back({static_cast<int>(row[0]), row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8]});
    return folder;
  }

  [[nodiscard]] bool writes() const noexcept { return !path_.empty(); }
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] std::filesystem::path checkpoint() const { return path_ / "checkpoint.safetensors"; }
  [[nodiscard]] std::filesystem::path model() const { return path_ / "model.safetensors"; }

  void add_step(std::uint64_t step, double loss, std::span<const std::uint8_t> gates) {
    if (!writes()) return;
    losses_.row(step, loss);
    gates_.gate_row(gates);
  }
  void add_epoch(const sdepth::EpochRow& row) {
    if (!writes()) return;
    metrics_.row(row.epoch, row.train_loss, row.train_error, row.validation_error, row.test_error, row.seconds, row.blocks_run,
                 row.learning_rate, row.gradient);
  }
  /// Returns once all rows are on the disk.
  void flush() {
    losses_.flush();
    gates_.flush();
    metrics_.flush();
  }

 private:
  explicit RunFolder(std::filesystem::path path) : path_(std::move(path)) {}

  static constexpr const char* losses_header = "step,loss";
  static constexpr const char* metrics_header =
      "epoch,train_loss,train_error,validation_error,test_error,seconds,blocks_run,learning_rate,gradient";

  std::filesystem::path path_;
  sdepth::CsvLog losses_;
  sdepth::CsvLog gates_;
  sdepth::CsvLog metrics_;
};

}  // namespace programs
