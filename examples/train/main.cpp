// train: trains one of the CIFAR ResNets on real pictures, by the recipe of the paper or another.
//
//   options   the command line, and the same options in the checkpoint
//   data      the pictures;  run   the loop;  folder, progress   what it writes and shows
//   learner   a network behind an interface;  networks_*   the networks themselves, a .cpp for each shape of pictures
#include <csignal>
#include <exception>
#include <filesystem>
#include <iostream>
#include <optional>

#include <nlohmann/json.hpp>

#include <sdepth/core/error.hpp>
#include <sdepth/io/checkpoint.hpp>

#include "options.hpp"
#include "run.hpp"

namespace programs {

int train(int count, char** words) {
  const CommandLine line = read_command_line(count, words);
  if (line.resume.empty()) return Run(line.options, line, std::nullopt).go();

  namespace fs = std::filesystem;
  if (!line.out.empty() && fs::weakly_canonical(line.out) != fs::weakly_canonical(line.resume))
    sdepth::fail("--out ", line.out, " is another folder than --resume ", line.resume,
                 "; a run goes on in its own folder, so leave --out out");
  const fs::path file = fs::path(line.resume) / "checkpoint.safetensors";
  if (!fs::exists(file))
    sdepth::fail("--resume ", line.resume,
                 ": there is no checkpoint.safetensors in it, so there is nothing to go on with; start the run by --out");
  const sdepth::Checkpoint checkpoint = sdepth::read_checkpoint(file);
  const nlohmann::json program = nlohmann::json::parse(checkpoint.program, nullptr, false);
  if (!program.is_object() || !program.contains("options"))
    sdepth::fail(checkpoint.where, " was not written by this program; go on with the one that wrote it");
  return Run(resumed_options(program["options"], line, checkpoint.where), line, checkpoint).go();
}

}  // namespace programs

int main(int count, char** words) {
  std::signal(SIGXFSZ, SIG_IGN);  // a limit on file sizes is then an error of the write, with its sentence, and not the program's end
  try {
    return programs::train(count, words);
  } catch (const sdepth::Error& error) {
    std::cerr << "train: " << error.what() << '\n';
  } catch (const std::bad_alloc&) {
    std::cerr << "train: out of memory; use a smaller --batch or --limit-train\n";
  } catch (const std::exception& error) {
    std::cerr << "train: " << error.what() << '\n';
  }
  return 1;
}
