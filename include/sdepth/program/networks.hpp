// The networks that a program trains, by name: what is known of each, and how it is made. Each may stand in a
// .cpp of its own.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <sdepth/core/bfloat16.hpp>
#include <sdepth/core/error.hpp>
#include <sdepth/core/shape.hpp>
#include <sdepth/data/picture.hpp>
#include <sdepth/io/summary.hpp>
#include <sdepth/program/learner_of.hpp>
#include <sdepth/program/named_network.hpp>
#include <sdepth/train/options.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// A network on one device in one precision, which are types: each of these is compiled for itself.
struct Trainable {
  std::string name;
  Shape input;
  int classes = 0;
  std::string device;     ///< cpu or cuda
  std::string precision;  ///< float32, bf16, tf32 or bf16+tf32
  NetworkFacts (*facts)() = nullptr;
  std::string (*summary)() = nullptr;  ///< its layers as a table
  std::unique_ptr<Learner> (*make)(const LearnerOptions& options) = nullptr;
  /// throws Error where the machine has no such device; null: every machine has it
  void (*check_device)() = nullptr;
};
using Networks = std::vector<Trainable>;

/// What --precision and --tf32 call what a backend computes with.
template <class Backend>
[[nodiscard]] constexpr const char* precision_of() noexcept {
  constexpr bool stores_bfloat16 = std::is_same_v<typename Backend::Stored, bfloat16>;
  if constexpr (requires { Backend::precision; })
    if (Backend::precision == decltype(Backend::precision)::tf32)
      return stores_bfloat16 ? "bf16+tf32" : "tf32";
  return stores_bfloat16 ? "bf16" : "float32";
}

template <class Net, class Backend>
[[nodiscard]] Trainable trainable(std::string name) {
  return {std::move(name),
          Net::input,
          static_cast<int>(Net::output.size()),
          Backend::synchronous ? "cpu" : "cuda",
          precision_of<Backend>(),
          network_facts<Net, Backend>,
          summary<Net>,
          make_learner<Net, Backend>};
}

template <class Entry, class Backend>
[[nodiscard]] Trainable trainable_from() {
  return with_named_network<Entry>(
      []<class Net>(std::type_identity<Net>, const char* name) { return trainable<Net, Backend>(name); });
}

/// Networks on a backend, for train(): each a Choice<"name", Net>, or a Net alone, which is called "network".
///
///     Networks small_networks() { return networks<Cpu<>, Choice<"tiny", Tiny>, Choice<"small", Small>>(); }
///
/// In a .cpp of its own this is all of that file that is slow to compile: an edit elsewhere costs nothing of
/// it.
template <class Backend, class... Entries>
[[nodiscard]] Networks networks() {
  return {trainable_from<Entries, Backend>()...};
}

/// The tables of the networks of that name, one for each kind of pictures.
[[nodiscard]] inline std::string summaries_of(const Networks& networks, const std::string& name) {
  std::string all;
  std::vector<std::pair<Shape, int>> shown;
  for (const Trainable& network : networks) {
    const std::pair pictures(network.input, network.classes);
    if (network.name != name || std::ranges::find(shown, pictures) != shown.end()) continue;
    shown.push_back(pictures);
    all += (all.empty() ? "" : "\n") + name + " for pictures of " + extents_text(network.input) + " in " +
           std::to_string(network.classes) + " classes\n\n" + network.summary();
  }
  return all;
}

/// The network of that name for such pictures. Throws Error where there is none, or none on that device in
/// that precision.
/// @param pictures  the data set, for the message
[[nodiscard]] inline const Trainable& find_network(const Networks& networks, const std::string& name,
                                                   const std::string& pictures, Shape shape, int classes,
                                                   const std::string& device, const std::string& precision) {
  bool fits = false, on_device = false;
  for (const Trainable& network : networks) {
    if (network.name != name || network.input != shape || network.classes != classes) continue;
    if (network.device == device && network.precision == precision) return network;
    fits = true;
    on_device = on_device || network.device == device;
  }
  if (!fits)
    fail(pictures, " has pictures of ", extents_text(shape), " in ", classes,
         " classes, for which this program has no network named ", name, "; it has one for ",
         pictures_of(networks, name), ", so choose other data or another network");
  if (!on_device && device == "cuda")
    fail(
        "--device cuda: this program was built without the CUDA Toolkit, or without this network on a GPU; install it (nvcc 12.8 or later) "
        "and build again, or train with --device cpu");
  fail("--precision ", precision, ": this program was built without it for ", name, " on ",
       device == "cuda" ? "a GPU" : "the processor",
       "; leave the option out, or list the network on such a backend, too");
}

}  // namespace sdepth::inline SDEPTH_ISA::program
