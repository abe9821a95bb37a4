// export from outside: what it writes is the network that infer runs, and whatever is wrong is a sentence and
// leaves no file.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include <sdepth/io/safetensors.hpp>

#include "run_folders.hpp"

namespace sdepth::test::export_test {

namespace {

namespace fs = std::filesystem;

/// One trained network for all tests of this file.
const fs::path& trained() {
  static const ScratchFolder folder;
  static const fs::path run = [] {
    const Outcome outcome = run_program("train", small_run + out(folder / "run"));
    REQUIRE_MESSAGE(outcome.status == 0, outcome.output);
    return folder / "run";
  }();
  return run;
}
Words weights(const fs::path& file) { return {"--weights", file.string()}; }
Words own_weights() { return weights(trained() / "model.safetensors"); }

/// The loss that infer says weights to have on a few pictures.
double loss_of(const fs::path& file, const Words& more) {
  const Outcome outcome =
      run_program("infer", weights(file) + Words{"--limit", "50", "--data", "synthetic"} + more);
  REQUIRE_MESSAGE(outcome.status == 0, outcome.output);
  return std::stod(outcome.output.substr(outcome.output.find("loss ") + 5));
}

}  // namespace

TEST_CASE("a state dict by public names is read back, with survival probabilities in it or beside it") {
  ScratchFolder folder;
  const Words model = {"--model", "resnet20", "--normalize", "none", "--scaling", "test", "--schedule"};
  const double expected = loss_of(trained() / "model.safetensors", {"--normalize", "none"});
  const fs::path folded = folder / "folded.safetensors", kept = folder / "kept.safetensors";
  Outcome outcome = run_program("export", own_weights() + Words{"--state-dict", folded.string()});
  REQUIRE_MESSAGE(outcome.status == 0, outcome.output);
  CHECK(contains(outcome.output, "wrote " + folded.string() + ", 9 of 9 residual blocks, "));
  CHECK(outcome.errors.empty());
  CHECK(read_safetensors(folded).find("layer3.2.bn2.num_batches_tracked") != nullptr);
  CHECK(loss_of(folded, model + Words{"none"}) == doctest::Approx(expected).epsilon(5e-6));
  CHECK(loss_of(folded, model + Words{"linear"}) != doctest::Approx(expected).epsilon(2e-5));
  outcome = run_program(
      "export", own_weights() + Words{"--state-dict", kept.string(), "--keep-survival", "--names", "blocks"});
  REQUIRE_MESSAGE(outcome.status == 0, outcome.output);
  CHECK(read_safetensors(kept).find("blocks.8.bn2.num_batches_tracked") != nullptr);
  CHECK(loss_of(kept, model + Words{"linear"}) == expected);
}

TEST_CASE("a header and a model of reduced depth") {
  ScratchFolder folder;
  const fs::path header = folder / "short.hpp", model = folder / "net.onnx";
  Outcome outcome =
      run_program("export", own_weights() + Words{"--header", header.string(), "--blocks", "7"});
  REQUIRE_MESSAGE(outcome.status == 0, outcome.output);
  const std::string text = bytes_of(header);
  CHECK(contains(text, "namespace network_short {"));  // which is a word of C++ without the rest
  CHECK(contains(
      text,
      "// A trained network, written by sdepth's export. resnet20 for synthetic, 7 of 9 residual blocks."));
  outcome = run_program("export", own_weights() + Words{"--onnx", model.string(), "--with-normalization",
                                                        "--operations", "0.7"});
  if (outcome.status != 0) {
    CHECK(contains(outcome.errors, "export: --onnx: this program was built without protobuf"));
    MESSAGE("skipped: this build has no protobuf");
    return;
  }
  CHECK(contains(outcome.output, "6 of 9 residual blocks"));
  CHECK(contains(bytes_of(model), "pixels"));
}

TEST_CASE("whatever is wrong is a sentence, and no file is left") {
  ScratchFolder folder;
  const std::string file_name = (folder / "out").string();
  CHECK(contains(refusal("export", {}), "--weights"));
  CHECK(contains(refusal("export", own_weights()), "nothing is to be written"));
  CHECK(contains(refusal("export", own_weights() + Words{"--header", file_name, "--keep-norms"}),
                 "--keep-norms requires --onnx"));
  CHECK(contains(
      refusal("export", own_weights() + Words{"--header", (trained() / "model.safetensors").string()}),
      "is the file of --weights"));
  CHECK(contains(refusal("export", own_weights() + Words{"--header", file_name, "--state-dict", file_name}),
                 "is the file of --state-dict"));
  CHECK(contains(refusal("export", own_weights() + Words{"--header", file_name, "--blocks", "10"}),
                 "between 0 and 9 residual blocks"));
  CHECK(contains(refusal("export", own_weights() + Words{"--header", file_name, "--operations", "0.01"}),
                 "cannot be reached"));
  CHECK(contains(
      refusal("export", own_weights() + Words{"--header", file_name, "--blocks", "5", "--operations", "0.5"}),
      "--blocks"));
  CHECK(contains(refusal("export", own_weights() + Words{"--state-dict", file_name, "--blocks", "2"}),
                 "changes the shape"));
  CHECK(contains(refusal("export", own_weights() + Words{"--header", file_name, "--namespace", "int"}),
                 "a name of C++"));
  CHECK(contains(
      refusal("export", weights(trained() / "checkpoint.safetensors") + Words{"--header", file_name}),
      "is a checkpoint"));
  CHECK(contains(refusal("export", own_weights() + Words{"--header", (folder / "nowhere" / "out").string()}),
                 "cannot be written"));
  SafeTensors file = read_safetensors(trained() / "model.safetensors");
  file.metadata.clear();
  write_safetensors(folder / "plain", file);
  CHECK(contains(refusal("export", weights(folder / "plain") + Words{"--header", file_name}),
                 "--model is needed"));
  put(folder / "pickle", "PK\x03\x04 and so on");
  CHECK(contains(refusal("export", weights(folder / "pickle") + Words{"--header", file_name}),
                 "was written by torch.save"));
  CHECK(contains(refusal("export", own_weights() + Words{"--header", file_name}, 4096), "cannot be written"));
  CHECK(folder.entries() == 2);
}

}  // namespace sdepth::test::export_test
