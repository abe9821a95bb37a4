// train: trains one of the CIFAR ResNets on real pictures, by the recipe of the paper or another.
//
//   options   the command line, and the same options in the checkpoint
//   data      the pictures;  run   the loop;  folder, progress   what it writes and shows
//   learner   a network behind an interface;  networks_*   the networks themselves, a .cpp for each shape of pictures
#include <filesystem>
#include <optional>
#include <system_error>

#include <nlohmann/json.hpp>

#include <sdepth/core/error.hpp>
#include <sdepth/io/checkpoint.hpp>
#include <sdepth/io/json.hpp>

#include "../shared/command_line.hpp"
#include "lock.hpp"
#include "options.hpp"
#include "run.hpp"

namespace programs {

int train(int count, char** words) {
  const CommandLine line = read_command_line(count, words);
  if (line.resume.empty()) return Run(line.options, line, std::nullopt).go();

  namespace fs = std::filesystem;
  std::error_code none;  // a folder that cannot be looked at is found out about when it is read
  if (!line.out.empty() && fs::weakly_canonical(line.out, none) != fs::weakly_canonical(line.resume, none))
    sdepth::fail("--out ", line.out, " is another folder than --resume ", line.resume,
                 "; a run goes on in its own folder, so leave --out out");
  const fs::path file = fs::path(line.resume) / "checkpoint.safetensors";
  if (!fs::exists(file, none))
    sdepth::fail("--resume ", line.resume,
                 ": there is no checkpoint.safetensors in it, so there is nothing to go on with; start the run by --out");
  const FolderLock lock(line.resume);  // before the checkpoint is read, of which another process may be about to write a newer one
  const sdepth::Checkpoint checkpoint = sdepth::read_checkpoint(file);
  const nlohmann::json program = sdepth::parse_json(checkpoint.program).value_or(nullptr);
  if (!program.is_object() || !program.contains("options"))
    sdepth::fail(checkpoint.where, " was not written by this program; go on with the one that wrote it");
  return Run(resumed_options(program["options"], line, checkpoint.where), line, checkpoint).go();
}

}  // namespace programs

int main(int count, char** words) {
  return programs::run_as_main("train", "use a smaller --batch or --limit-train", [&] { return programs::train(count, words); });
}
