// What nvcc says of the kernels of a file: registers and memory from ptxas's report, the stated bounds and
// the instructions from the PTX. And what follows: how many blocks of a kernel fit a multiprocessor at a
// time.
#pragma once

#include <cxxabi.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace sdepth::resources {

/// A kernel as compiled for one architecture.
struct Kernel {
  int registers = 0;      // of a thread
  int stack_bytes = 0;    // local memory of a thread: arrays that are indexed at run time, and calls
  int spilled_bytes = 0;  // registers written to and read from local memory, stores and loads
  int shared_bytes = 0;   // static
  int threads = 0;        // the most a block has, as __launch_bounds__ states; 0: not stated
  // how many of them a multiprocessor should hold, as __launch_bounds__ states; 0: not stated
  int blocks = 0;
  int tensor_products = 0;    // mma instructions on TF32
  int background_copies = 0;  // cp.async instructions
  int launch_waits = 0;       // griddepcontrol.wait
  int launch_triggers = 0;    // griddepcontrol.launch_dependents
  int reads_after_wait = 0;   // loads from shared memory behind the last wait for these
};

/// By architecture (75 for sm_75), then by mangled name.
using Report = std::map<int, std::map<std::string, Kernel>>;

[[nodiscard]] inline std::string text_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw std::runtime_error(file + " cannot be read; it is written when the CUDA tests are built");
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

[[nodiscard]] inline std::string readable(const std::string& mangled) {
  int failed = 0;
  const std::unique_ptr<char, decltype(&std::free)> name(
      abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &failed), &std::free);
  return failed != 0 || !name ? mangled : std::string(name.get());
}

/// The number in front of `words` in a line, 0 where they do not occur.
[[nodiscard]] inline int number_before(const std::string& line, const std::string& words) {
  const auto end = line.find(words);
  if (end == std::string::npos) return 0;
  auto begin = end;
  while (begin > 0 && line[begin - 1] >= '0' && line[begin - 1] <= '9') --begin;
  return begin == end ? 0 : std::stoi(line.substr(begin, end - begin));
}
/// The number behind `words` in a text, 0 where they do not occur.
[[nodiscard]] inline int number_after(const std::string& text, const std::string& words) {
  const auto at = text.find(words);
  return at == std::string::npos ? 0 : std::atoi(text.c_str() + at + words.size());
}
[[nodiscard]] inline int count_of(const std::string& text, const std::string& words) {
  int count = 0;
  for (auto at = text.find(words); at != std::string::npos; at = text.find(words, at + 1)) ++count;
  return count;
}

/// What `ptxas -v` prints: for each kernel a line that names it, one with its stack and spills (and one more
/// for each function that it calls), one with registers.
inline void read_ptxas(const std::string& text, Report& report) {
  std::istringstream lines(text);
  Kernel* kernel = nullptr;
  for (std::string line; std::getline(lines, line);) {
    constexpr std::string_view begin = "Compiling entry function '";
    if (const auto at = line.find(begin); at != std::string::npos) {
      const auto name = at + begin.size(), end = line.find('\'', name);
      kernel = &report[number_after(line, "' for 'sm_")][line.substr(name, end - name)];
    } else if (kernel) {
      kernel->stack_bytes = std::max(kernel->stack_bytes, number_before(line, " bytes stack frame"));
      kernel->spilled_bytes +=
          number_before(line, " bytes spill stores") + number_before(line, " bytes spill loads");
      kernel->registers = std::max(kernel->registers, number_before(line, " registers"));
      kernel->shared_bytes = std::max(kernel->shared_bytes, number_before(line, " bytes smem"));
    }
  }
}

/// The PTX of one architecture.
inline void read_ptx(const std::string& text, std::map<std::string, Kernel>& kernels) {
  constexpr std::string_view entry = ".entry ";
  for (auto at = text.find(entry); at != std::string::npos;) {
    const auto name = at + entry.size(), end = text.find('(', name), next = text.find(entry, end);
    const std::string body = text.substr(end, next == std::string::npos ? next : next - end);
    Kernel& kernel = kernels[text.substr(name, end - name)];
    kernel.threads = number_after(body, ".maxntid ");
    kernel.blocks = number_after(body, ".minnctapersm ");
    kernel.tensor_products = count_of(body, ".f32.tf32.tf32.f32");
    kernel.background_copies = count_of(body, "cp.async.ca.") + count_of(body, "cp.async.cg.");
    kernel.launch_waits = count_of(body, "griddepcontrol.wait");
    kernel.launch_triggers = count_of(body, "griddepcontrol.launch_dependents");
    if (const auto wait = body.rfind("cp.async.wait_group"); wait != std::string::npos)
      kernel.reads_after_wait = count_of(body.substr(wait), "ld.shared");
    at = next;
  }
}

/// @param file  without its ending: FILE.report, and in FILE.kept the PTX; see compile.cmake
[[nodiscard]] inline Report read_report(const std::string& file) {
  Report report;
  read_ptxas(text_of(file + ".report"), report);
  // Where there is one architecture only, the file's name does not say which.
  const int only = report.size() == 1 ? report.begin()->first : 0;
  for (const auto& kept : std::filesystem::directory_iterator(file + ".kept")) {
    const int named = number_after(kept.path().filename().string(), ".compute_"),
              architecture = named > 0 ? named : only;
    if (architecture > 0) read_ptx(text_of(kept.path().string()), report[architecture]);
  }
  return report;
}

/// What a multiprocessor has. Source: CUDA C++ Programming Guide, compute capabilities.
struct Multiprocessor {
  int architecture = 0;
  int threads = 0;
  int blocks = 0;
  int shared_bytes = 0;            // of all its blocks; each takes 1 KB more than it asked for from 8.0 on
  int most_shared_of_a_block = 0;  // dynamic and static
};
inline constexpr std::array<Multiprocessor, 5> multiprocessors = {{{75, 1024, 16, 64 << 10, 64 << 10},
                                                                   {80, 2048, 32, 164 << 10, 163 << 10},
                                                                   {90, 2048, 32, 228 << 10, 227 << 10},
                                                                   {100, 2048, 32, 228 << 10, 227 << 10},
                                                                   {120, 1536, 24, 100 << 10, 99 << 10}}};
inline constexpr int registers_of_multiprocessor = 64 << 10;

/// How many blocks a multiprocessor holds at a time; 0: not even one.
[[nodiscard]] inline int resident_blocks(const Multiprocessor& m, const Kernel& kernel, int threads,
                                         int dynamic_shared_bytes) {
  const int shared = kernel.shared_bytes + dynamic_shared_bytes;
  if (shared > m.most_shared_of_a_block) return 0;
  const int warps = std::max(1, (threads + 31) / 32);
  // A warp gets registers in units of 256, shared memory comes in units of 128 bytes.
  const int registers_of_warp = (kernel.registers * 32 + 255) / 256 * 256;
  const int shared_of_block = (shared + 127) / 128 * 128 + (m.architecture >= 80 ? 1024 : 0);
  int blocks = std::min(m.blocks, m.threads / (warps * 32));
  if (registers_of_warp > 0)
    blocks = std::min(blocks, registers_of_multiprocessor / registers_of_warp / warps);
  if (shared_of_block > 0) blocks = std::min(blocks, m.shared_bytes / shared_of_block);
  return blocks;
}

}  // namespace sdepth::resources
