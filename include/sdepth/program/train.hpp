// The whole training program of any networks, as a main function: command line, data, checkpoints, tables,
// report.
#pragma once

#include <filesystem>
#include <initializer_list>
#include <iostream>
#include <optional>
#include <string>
#include <system_error>

#include <nlohmann/json.hpp>

#include <sdepth/core/error.hpp>
#include <sdepth/io/checkpoint.hpp>
#include <sdepth/io/json.hpp>
#include <sdepth/kernels/cpu/cpu.hpp>
#include <sdepth/program/command_line.hpp>
#include <sdepth/program/folder_lock.hpp>
#include <sdepth/program/networks.hpp>
#include <sdepth/program/read_options.hpp>
#include <sdepth/program/run.hpp>
#include <sdepth/program/run_loop.hpp>
#include <sdepth/program/run_start.hpp>
#include <sdepth/program/run_words.hpp>
#include <sdepth/program/stored_options.hpp>
#include <sdepth/program/together.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// A run from its command line. Returns the exit status. Throws Error for whatever a person gets wrong.
/// @param others  processes that make the run together: all but the first write nothing. Null: there are none
[[nodiscard]] inline int run_training(int count, char** words, const Networks& networks,
                                      const Options& defaults, Communicator* others) {
  CommandLine line = read_command_line(count, words, networks, defaults);
  line.others = others;
  const bool first = !others || others->rank() == 0;
  if (!first) line.out.clear();
  if (line.summary) {
    std::cout << summaries_of(networks, line.options.model);
    return 0;
  }
  if (line.resume.empty()) return Run(networks, line.options, line, std::nullopt).go();

  namespace fs = std::filesystem;
  std::error_code none;  // a folder that cannot be looked at is found out about when it is read
  if (!line.out.empty() && fs::weakly_canonical(line.out, none) != fs::weakly_canonical(line.resume, none))
    fail("--out ", line.out, " is another folder than --resume ", line.resume,
         "; a run goes on in its own folder, so leave --out out");
  const fs::path file = fs::path(line.resume) / "checkpoint.safetensors";
  if (fs::is_regular_file(line.resume, none))
    fail("--resume ", line.resume, " is a file, expected the folder of a run; name the one that it lies in");
  if (!fs::exists(file, none))
    fail(
        "--resume ", line.resume,
        ": there is no checkpoint.safetensors in it, so there is nothing to go on with; start the run by --out");
  const FolderLock lock = first
                              ? FolderLock(line.resume)
                              // before the checkpoint is read, of which another process may be about to write
                              // a newer one
                              : FolderLock();
  const Checkpoint checkpoint = read_checkpoint(file);
  const nlohmann::json program = parse_json(checkpoint.program).value_or(nullptr);
  if (!program.is_object() || !program.contains("options"))
    fail(checkpoint.where, " was not written by this program; go on with the one that wrote it");
  return Run(networks, resumed_options(program["options"], line, checkpoint.where), line, checkpoint).go();
}

/// The training program of these networks, of which --model chooses one by its name.
///
///     int main(int argc, char** argv) {
///       using namespace sdepth;
///       return program::train(argc, argv, {program::networks<Cpu<>, program::Choice<"small", A>, program::Choice<"large", B>>()});
///     }
///
/// Each list may stand in a .cpp of its own, and for one network there may be several backends: CpuBfloat16
/// makes --precision bf16 work, Cuda<>, compiled by nvcc, --device cuda. Returns the exit status: 0, 1 after
/// a sentence on standard error, 130 where Ctrl-C stopped it.
/// @param lists  of at least one network   @param defaults  of options that are not given, such as {.data =
///               "folder"}
[[nodiscard]] inline int train(int argc, char** argv, std::initializer_list<Networks> lists,
                               const Options& defaults = {}) {
  const std::string name = argc > 0 ? std::filesystem::path(argv[0]).filename().string() : "train";
  const Networks networks = all_of(lists);
  const auto program = [&](Communicator* others) {
    return [&networks, &defaults, argc, argv, others] {
      if (networks.empty()) fail("this program has no networks, expected at least one; give train() some");
      return run_training(argc, argv, networks, defaults, others);
    };
  };
  constexpr const char* when_memory_is_out = "use a smaller --batch or --limit-train";
  if (started_processes() == 1) return run_as_main(name, when_memory_is_out, program(nullptr));
  return run_together(
      name, [&](Communicator& others) { return run_as_main(name, when_memory_is_out, program(&others)); });
}

/// The same in three lines, on the processor:
///
///     #include <sdepth/program/train.hpp>
///     int main(int argc, char** argv) { return sdepth::program::train<MyNet>(argc, argv); }
///
/// @tparam Entries  network types, or Choice<"name", Net> for several
template <class... Entries>
  requires(sizeof...(Entries) > 0)
[[nodiscard]] int train(int argc, char** argv, const Options& defaults = {}) {
  return train(argc, argv, {networks<Cpu<>, Entries...>()}, defaults);
}

}  // namespace sdepth::inline SDEPTH_ISA::program
