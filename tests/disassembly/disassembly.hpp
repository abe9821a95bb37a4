// A program as objdump shows it: its functions, what they call, and what is indirect about it. Names are as
// the linker knows them: objdump cannot undo all of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace sdepth::test {

/// The lines that a command writes.
[[nodiscard]] inline std::vector<std::string> lines_of(const std::string& command) {
  std::FILE* pipe = popen(command.c_str(), "r");
  if (!pipe) throw std::runtime_error("cannot run " + command);
  std::vector<std::string> lines(1);
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) {
    if (c == '\n')
      lines.emplace_back();
    else
      lines.back().push_back(static_cast<char>(c));
  }
  if (pclose(pipe) != 0) throw std::runtime_error(command + " failed");
  lines.pop_back();
  return lines;
}

struct Function {
  std::string name;
  std::vector<std::string> instructions;  // "call   2030 <puts@plt>"
  std::uint64_t last = 0;                 // address of the last one
};

/// True for what only fills the space up to an aligned address.
[[nodiscard]] inline bool is_padding(std::string_view instruction) {
  for (const char* filler : {"nop", "cs nop", "data16", "xchg   %ax,%ax"})
    if (instruction.starts_with(filler)) return true;
  return false;
}

/// A call or jump to where memory or a register says: a virtual call, a call through a pointer, a jump
/// through a table.
[[nodiscard]] inline bool is_indirect(std::string_view instruction) {
  const std::size_t star = instruction.find('*');
  if (star == std::string_view::npos) return false;
  const std::string_view before = instruction.substr(0, star);
  return before.find("call") != std::string_view::npos || before.find("jmp") != std::string_view::npos;
}

/// Addresses that objdump names in an instruction: of what it jumps to or calls ("call   2030 <puts@plt>"), or whose address it takes
/// ("lea    0x1e46a(%rip),%rbx        # 207c0 <…>").
[[nodiscard]] inline std::vector<std::uint64_t> addresses_in(const std::string& instruction) {
  std::vector<std::uint64_t> addresses;
  for (std::size_t end = instruction.find(" <"); end != std::string::npos && end > 0;
       end = instruction.find(" <", end + 1))
    addresses.push_back(
        std::strtoull(instruction.c_str() + instruction.rfind(' ', end - 1) + 1, nullptr, 16));
  return addresses;
}

class Disassembly {
 public:
  /// The section of the program's own code: the stubs through which it calls libraries are in another.
  explicit Disassembly(const std::string& program) {
    Function* function = nullptr;
    for (const std::string& line :
         lines_of("LC_ALL=C '" SDEPTH_OBJDUMP "' -d -j .text --no-show-raw-insn '" + program + "'")) {
      if (line.ends_with(">:")) {  // "0000000000002040 <main>:"
        const std::size_t name = line.find('<') + 1;
        function = &functions_[std::strtoull(line.c_str(), nullptr, 16)];
        function->name = line.substr(name, line.size() - 2 - name);
        // "    2040:	push   %rbp"
      } else if (const std::size_t tab = line.find('\t'); function && tab != std::string::npos) {
        function->last = std::strtoull(line.c_str(), nullptr, 16);
        function->instructions.push_back(line.substr(tab + 1));
      }
    }
    for (const std::string& line : lines_of("LC_ALL=C '" SDEPTH_NM "' --defined-only '" + program + "'"))
      if (const std::size_t vtable = line.find(" _ZTV"); vtable != std::string::npos)
        vtables_.insert(line.substr(vtable + 1));
  }

  [[nodiscard]] const std::map<std::uint64_t, Function>& functions() const noexcept { return functions_; }
  /// Names of the vtables that the program itself brings.
  [[nodiscard]] const std::set<std::string>& vtables() const noexcept { return vtables_; }

  /// All that can run once the function called `name` does: what it calls, jumps into, or takes the address
  /// of (as for helping threads), and so on.
  [[nodiscard]] std::vector<const Function*> reached_from(const std::string& name) const {
    std::vector<const Function*> reached;
    std::set<std::uint64_t> seen;
    std::vector<std::uint64_t> next;
    for (const auto& [address, function] : functions_)
      if (function.name.find(name) != std::string::npos) next.push_back(address);
    while (!next.empty()) {
      const std::uint64_t address = next.back();
      next.pop_back();
      if (!seen.insert(address).second) continue;
      reached.push_back(&functions_.at(address));
      for (const std::string& instruction : reached.back()->instructions)
        for (const std::uint64_t target : addresses_in(instruction)) {
          // a jump may go into the middle of a function: of the cold part of one
          auto function = functions_.upper_bound(target);
          if (function == functions_.begin()) continue;
          --function;
          if (target <= function->second.last) next.push_back(function->first);
        }
    }
    return reached;
  }

 private:
  std::map<std::uint64_t, Function> functions_;  // by address
  std::set<std::string> vtables_;
};

/// "function: instruction" for each indirect call or jump.
[[nodiscard]] inline std::set<std::string> indirect_in(const std::vector<const Function*>& functions) {
  std::set<std::string> found;
  for (const Function* function : functions)
    for (const std::string& instruction : function->instructions)
      if (is_indirect(instruction)) found.insert(function->name + ": " + instruction);
  return found;
}

[[nodiscard]] inline std::size_t instructions_in(const std::vector<const Function*>& functions) {
  std::size_t count = 0;
  for (const Function* function : functions)
    for (const std::string& instruction : function->instructions) count += !is_padding(instruction);
  return count;
}

}  // namespace sdepth::test
