// What the machine code of a training step is not: indirect. And what a block closed at compile time leaves
// in it: nothing.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <typeinfo>
#include <vector>

#include <sdepth/core/shape.hpp>

#include "disassembly.hpp"

using namespace sdepth::test;

// Printed in full by a test that fails.
namespace doctest {
template <>
struct StringMaker<std::set<std::string>> {
  static String convert(const std::set<std::string>& lines) {
    std::string all;
    for (const std::string& line : lines) all += "\n  " + line;
    return all.c_str();
  }
};
}  // namespace doctest

namespace {

const Disassembly& program(const std::string& name) {
  static std::map<std::string, Disassembly> all;
  return all.try_emplace(name, std::string(SDEPTH_PROGRAMS) + "/disassembled_" + name).first->second;
}
const std::string root = "13training_step";

/// The beginning of names in the library's namespaces, "6sdepth12avx512_vbmi2": this test is compiled for the
/// same instructions as the programs.
const std::string own = [] {
  const std::string shape = typeid(sdepth::Shape).name();  // "N6sdepth12avx512_vbmi25ShapeE"
  return shape.substr(1, shape.size() - 1 - std::string("5ShapeE").size());
}();
const std::string helping_thread = "_ZN" + own + "10ThreadTeam4help";

/// Functions that call what a user has given, if anything: other processes among it.
bool given_by_user(const std::string& name) {
  for (const char* given : {"6detail16GradientListener", "6detail15GroupedSegments", "12Communicator"})
    if (name.find(own + given) != std::string::npos) return true;
  return false;
}

/// Functions whose names speak of an image or a convolution with so many channels, as Shape{C, H, W} and
/// ConvShape{…, C, 3, stride, 1} do.
int functions_with_channels(const Disassembly& disassembly, int channels) {
  const std::string number = "Li" + std::to_string(channels) + "E";
  const auto speaks = [&](const std::string& name) {
    for (const char* rest : {"Li16ELi16E", "Li8ELi8E", "Li3ELi1ELi1E", "Li3ELi2ELi1E"})
      if (name.find(number + rest) != std::string::npos) return true;
    return false;
  };
  return static_cast<int>(std::count_if(disassembly.functions().begin(), disassembly.functions().end(),
                                        [&](const auto& entry) { return speaks(entry.second.name); }));
}

bool contains(const std::set<std::string>& found, const std::string& function) {
  return std::any_of(found.begin(), found.end(),
                     [&](const std::string& line) { return line.find(function) != std::string::npos; });
}

}  // namespace

TEST_CASE("a training step has no call or jump through a register, memory or a table") {
  for (const char* name : {"plain", "closed"}) {
    std::vector<const Function*> step = program(name).reached_from(root);
    // A helping thread calls the body of the loop that it is given through a pointer, once for each loop. And
    // what a user gives to be called is called so: who wants to know of gradients, the options of groups of
    // parameters, and other processes.
    CHECK(std::erase_if(step, [](const Function* function) {
            return function->name.starts_with(helping_thread);
          }) == 1);
    std::erase_if(step, [](const Function* function) { return given_by_user(function->name); });
    CHECK(step.size() > 60);  // the walk and its kernels
    CHECK(instructions_in(step) > 10'000);
    CHECK(indirect_in(step) == std::set<std::string>{});
    // The bodies of parallel loops are among them.
    CHECK(std::count_if(step.begin(), step.end(), [](const Function* function) {
            return function->name.find("10ThreadTeam7computeI") != std::string::npos;
          }) > 10);
  }
}

TEST_CASE(
    "outside of steps four things are indirect: the shared_ptr by which a trainer holds its weights, the drawing of first weights, helping threads, and what users give") {
  const auto allowed = [](const std::string& name) {
    // its constructor and destructor, which release the shared_ptr
    return name.starts_with("_ZN" + own + "7TrainerI") ||
           name.starts_with("_ZN" + own +
                            "6detail15ParameterUpdateI") ||  // the same, of groups of parameters
           name.starts_with(helping_thread) ||
           given_by_user(name) ||
           // a switch over kinds of tensors, which may become a table
           name.find("10initialiseI") != std::string::npos;
  };
  for (const auto& [address, function] : program("closed").functions())
    if (function.name.find(own) != std::string::npos && !function.name.starts_with("_ZNSt") &&
        !allowed(function.name))
      CHECK(indirect_in({&function}) == std::set<std::string>{});
}

TEST_CASE(
    "there is one vtable of ours: that of the exception, which must derive from std::exception to be caught as one") {
  for (const char* name : {"plain", "closed"}) {
    std::set<std::string> ours = program(name).vtables();
    // the standard library's, of a shared_ptr and of the stream that an error's sentence is written to
    std::erase_if(ours, [](const std::string& vtable) {
      return vtable.starts_with("_ZTVSt") || vtable.starts_with("_ZTVNSt");
    });
    CHECK(ours == std::set<std::string>{"_ZTVN" + own + "5ErrorE"});
  }
}

TEST_CASE("a closed block leaves no instruction in a training step") {
  const Disassembly &plain = program("plain"), &closed = program("closed");
  for (const Disassembly* each : {&plain, &closed}) {
    CHECK(functions_with_channels(*each, 16) > 10);
    CHECK(functions_with_channels(*each, 32) > 0);   // the shortcut of the block that changes the shape
    CHECK(functions_with_channels(*each, 40) == 0);  // its branch
    // the closed blocks, which one network has and the other has not
    CHECK(functions_with_channels(*each, 24) == 0);
  }
  // Numbers differ: where the linear layer's parameters begin. Instructions do not.
  const std::vector<const Function*> step = plain.reached_from(root),
                                     step_with_closed = closed.reached_from(root);
  CHECK(step.size() == step_with_closed.size());
  CHECK(instructions_in(step) == instructions_in(step_with_closed));
}

TEST_CASE("what must not be there is found where it was planted") {
  const Disassembly& planted = program("planted");
  std::vector<const Function*> all;
  for (const auto& [address, function] : planted.functions()) all.push_back(&function);
  const std::set<std::string> found = indirect_in(all);
  CHECK(contains(found, "planted_virtual"));
  CHECK(contains(found, "planted_pointer"));
  CHECK(contains(found, "planted_table"));
  CHECK(!contains(found, "planted_nothing"));
  CHECK(planted.vtables().count("_ZTVN6sdepth7PlantedE") == 1);

  const std::vector<const Function*> reached = planted.reached_from("main");
  CHECK(contains(indirect_in(reached), "planted_table"));
  CHECK(instructions_in(reached) > 20);
}
