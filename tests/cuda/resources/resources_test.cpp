// Registers, memory and instructions of the kernels that a training step of ResNet-110 launches, on each
// architecture; and the test of that test, on planted kernels.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include <sdepth/models/cifar_resnet.hpp>

#include "../../../bench/cuda/least_time.hpp"
#include "claims.hpp"
#include "step.hpp"

using namespace sdepth;
using namespace sdepth::resources;
using recording::Launch;

namespace {

const std::string reports = SDEPTH_REPORTS;
const std::vector<std::uint8_t> open(blocks, std::uint8_t{1});

/// The launches of a step, each kind once.
std::vector<Launch> launches_of(void (*step)(std::span<const std::uint8_t>)) {
  recording::launches().clear();
  step(open);
  std::vector<Launch> all = recording::launches();
  const auto key = [](const Launch& l) { return std::tie(l.kernel, l.threads, l.shared_bytes); };
  std::sort(all.begin(), all.end(), [&](const Launch& a, const Launch& b) { return key(a) < key(b); });
  all.erase(
      std::unique(all.begin(), all.end(), [&](const Launch& a, const Launch& b) { return key(a) == key(b); }),
      all.end());
  return all;
}

void check_step(void (*step)(std::span<const std::uint8_t>), const std::string& file, bool tf32,
                std::size_t architectures = multiprocessors.size()) {
  const std::vector<Launch> launches = launches_of(step);
  CHECK(!launches.empty());
  const Report report = read_report(reports + file);
  // Whoever configures may have asked for some architectures only, or for others, of which the tables know
  // nothing.
  const auto known = std::count_if(multiprocessors.begin(), multiprocessors.end(),
                                   [&](const Multiprocessor& m) { return report.contains(m.architecture); });
  if (!SDEPTH_CUDA_ASKED_FOR) CHECK(known == architectures);
  for (const std::string& sentence : violations(report, launches, tf32)) FAIL_CHECK(sentence);
  // The table for claims.hpp as it would be now: the least warps of each kernel, whatever its template
  // arguments.
  std::map<std::string, std::array<int, multiprocessors.size()>> warps;
  for (const Launch& l : launches)
    for (const Multiprocessor& m : multiprocessors) {
      // reported above
      if (!report.contains(m.architecture) || !report.at(m.architecture).contains(l.kernel)) continue;
      const int resident = resident_blocks(m, report.at(m.architecture).at(l.kernel),
                                           static_cast<int>(l.threads), static_cast<int>(l.shared_bytes));
      int& least =
          warps.try_emplace(plain_name(l.kernel), std::array{99, 99, 99, 99, 99}).first->second[index_of(m)];
      least = std::min(least, resident * static_cast<int>((l.threads + 31) / 32));
    }
  for (const auto& [name, w] : warps)
    MESSAGE(name, ": ", w[0], ", ", w[1], ", ", w[2], ", ", w[3], ", ", w[4]);
}

/// What is said of a planted kernel, on sm_90.
std::string said_of(const std::string& name, std::size_t threads, std::size_t shared_bytes,
                    bool tf32 = true) {
  static const Report report = read_report(reports + "planted");
  for (const auto& [mangled, kernel] : report.at(90)) {
    if (plain_name(mangled) != name) continue;
    std::string all;
    for (const std::string& sentence :
         violations(multiprocessors[2], {mangled, 1, threads, shared_bytes}, kernel, tf32))
      all += sentence + '\n';
    return all;
  }
  return "there is no such kernel";
}
bool says(const std::string& text, const std::string& words) { return text.find(words) != std::string::npos; }

}  // namespace

TEST_CASE("the kernels of a float32 step stay within what they claim") {
  check_step(step_float32, "step_float32", false);
}
TEST_CASE("the kernels of a TF32 step stay within what they claim") {
  check_step(step_tf32, "step_tf32", true);
  check_step(step_tf32_persistent, "step_tf32", true);
}

TEST_CASE("the kernels of a TF32 step with activations in bfloat16 stay within what they claim") {
  check_step(step_bf16, "step_bf16", true, 2);
  check_step(step_bf16_stochastic, "step_bf16", true, 2);
}

TEST_CASE("convolutions by three products of TF32 keep their sums in registers") {
  std::size_t checked = 0;
  for (const auto& [architecture, kernels] : read_report(reports + "three_products"))
    for (const auto& [name, kernel] : kernels) {
      if (plain_name(name) == "step_number_kernel") continue;  // every Context has it
      CAPTURE(readable(name));
      CHECK(kernel.spilled_bytes == 0);
      CHECK(kernel.stack_bytes == 0);
      CHECK((architecture < 80 || kernel.tensor_products > 0));
      ++checked;
    }
  CHECK(checked >= 9);
}

/// With all blocks open, with some closed, and with all.
template <class Stored>
void check_launches(void (*step)(std::span<const std::uint8_t>)) {
  roofline::Steps<CifarResNet<110>, Stored> steps(batch);
  std::vector<std::uint8_t> some = open;
  for (const std::size_t block : {0U, 17U, 18U, 30U, 36U, 53U}) some[block] = 0;
  for (const std::vector<std::uint8_t>& gates :
       {open, some, std::vector<std::uint8_t>(blocks, std::uint8_t{0}), open}) {
    roofline::Total expected;
    expected.add(steps.with(gates));
    recording::launches().clear();
    recording::submissions() = recording::dependent_steps() = 0;
    step(gates);
    CHECK(recording::launches().size() == static_cast<std::size_t>(expected.kernels));
    CHECK(recording::submissions() == static_cast<int>(expected.submissions));
    CHECK(recording::dependent_steps() == static_cast<int>(expected.steps));
    CHECK(recording::dependent_steps() <= 250);
  }
}
TEST_CASE(
    "a step launches as many kernels as docs/cuda.md says, a closed block none, and all is handed over as graphs") {
  check_launches<float>(step_float32);
  check_launches<bfloat16>(step_bf16);
}

TEST_CASE(
    "by dependent launches a kernel that waits for one other begins early, and everything else is the same") {
  recording::launches().clear();
  step_float32(open);
  const std::size_t launches = recording::launches().size();
  CHECK(recording::dependent_launches() == 0);
  recording::launches().clear();
  recording::dependent_steps() = 0;
  step_float32_dependent(open);
  CHECK(recording::launches().size() == launches);
  CHECK(recording::dependent_steps() <= 250);
  // Of a block's two convolutions the second forward, and more where a block has a shortcut; none on the way
  // back, where each waits for two gradients.
  CHECK(recording::dependent_launches() >= blocks);
  const int made = recording::dependent_launches();
  step_float32_dependent(open);
  CHECK(recording::dependent_launches() == made);
}

TEST_CASE("with persistent blocks the forward stages of small pictures are few launches") {
  const auto launches_of_step = [](void (*step)(std::span<const std::uint8_t>), const auto& gates) {
    recording::launches().clear();
    recording::submissions() = recording::dependent_steps() = 0;
    step(gates);
    return std::array{static_cast<int>(recording::launches().size()), recording::dependent_steps(),
                      recording::submissions()};
  };
  const auto before = launches_of_step(step_tf32, open), after = launches_of_step(step_tf32_persistent, open);
  // 17 blocks of 32 channels at 16 × 16 and of 64 at 8 × 8 each: 34 stages, of which 17 fit into one launch.
  CHECK(before[0] - after[0] == 2 * (34 - 2));
  CHECK(before[1] - after[1] == 2 * (34 - 2));
  CHECK(before[2] - after[2] == 2 * (17 - 2));
  MESSAGE("launches ", after[0], ", in a row ", after[1], ", handed over ", after[2]);
}

TEST_CASE("kernels that may begin early wait for the launch before them") {
  for (const char* file : {"step_float32", "step_bf16"})
    for (const auto& [architecture, kernels] : read_report(reports + file))
      for (const auto& [name, kernel] : kernels) {
        CAPTURE(readable(name));
        CHECK((kernel.launch_waits > 0) == (architecture >= 90));
        CHECK((kernel.launch_triggers > 0) == (architecture >= 90));
      }
}

TEST_CASE("planted: what keeps the rules is not reported, on any architecture") {
  const Report report = read_report(reports + "planted");
  for (const Multiprocessor& m : multiprocessors) {
    CAPTURE(m.architecture);
    REQUIRE(report.contains(m.architecture));
    const auto& kernels = report.at(m.architecture);
    const auto good = std::find_if(kernels.begin(), kernels.end(),
                                   [](const auto& k) { return plain_name(k.first) == "good"; });
    REQUIRE(good != kernels.end());
    CHECK(violations(m, {good->first, 1, 128, 2048}, good->second, true) == std::vector<std::string>{});
    CHECK((good->second.tensor_products > 0) == (m.architecture >= 80));
    CHECK((good->second.background_copies > 0) == (m.architecture >= 80));
    CHECK(good->second.threads == 128);
    CHECK(good->second.blocks == 4);
  }
}

TEST_CASE("planted: after a wait for copies shared memory is read again") {
  const Report report = read_report(reports + "planted");
  for (const Multiprocessor& m : multiprocessors)
    for (const auto& [name, kernel] : report.at(m.architecture))
      if (plain_name(name) == "reads_again" && m.architecture >= 80) CHECK(kernel.reads_after_wait == 1);
}

TEST_CASE("planted: each broken rule is reported") {
  CHECK(says(said_of("spills", 1024, 0), "it spills registers, "));
  CHECK(says(said_of("local_memory", 128, 0), "it uses local memory, 128 bytes"));
  CHECK(says(said_of("unbounded", 128, 0), "it does not state how many threads"));
  CHECK(says(said_of("unbounded", 128, 0), "it has no line in claims.hpp"));
  CHECK(says(said_of("good", 256, 2048), "it is launched with 256 threads, but states 128"));
  CHECK(says(said_of("good", 128, 60 << 10), "a multiprocessor holds 12 of its warps"));
  CHECK(says(said_of("good", 128, 228 << 10), "a multiprocessor holds 0 of its warps"));
  CHECK(says(said_of("good", 128, 2048, /*tf32*/ false),
             "products on tensor cores in its PTX, but none is claimed"));
}

TEST_CASE("resident blocks are those of NVIDIA's occupancy tables") {
  // 128 threads of 40 registers: 12 blocks by registers. 255 registers, 256 threads: a warp's registers come
  // in units of 256.
  CHECK(resident_blocks(multiprocessors[1], {.registers = 40}, 128, 0) == 12);
  CHECK(resident_blocks(multiprocessors[1], {.registers = 255}, 256, 0) == 1);
  CHECK(resident_blocks(multiprocessors[1], {.registers = 16}, 64, 0) == 32);
  CHECK(resident_blocks(multiprocessors[4], {.registers = 16}, 1024, 0) == 1);
  CHECK(resident_blocks(multiprocessors[0], {.registers = 16}, 128, 32 << 10) == 2);
  CHECK(resident_blocks(multiprocessors[2], {.registers = 16}, 128, 48 << 10) == 4);
  CHECK(resident_blocks(multiprocessors[2], {.registers = 16, .shared_bytes = 1 << 10}, 128, 227 << 10) == 0);
}
