// Networks by name: how a program's list of them is written, and what such lists are asked.
#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <vector>

#include <sdepth/data/picture.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// A network's name as a template argument.
template <std::size_t N>
struct Name {
  char text[N]{};
  consteval Name(const char (&name)[N]) { std::copy_n(name, N, text); }
};

/// A network by the name that --model chooses it by. Networks for other pictures may have the same name.
template <Name name, class Net>
struct Choice {
  using ChosenNetwork = Net;
  static constexpr const char* chosen_by = name.text;
};

/// Calls make(std::type_identity<Net>(), name) with the network and the name of a Choice, or with a Net,
/// which is called "network". No specialisation for Choice: nvcc 13 does not find one whose argument is a
/// Name.
template <class Entry, class Make>
[[nodiscard]] auto with_named_network(Make&& make) {
  if constexpr (requires { typename Entry::ChosenNetwork; })
    return make(std::type_identity<typename Entry::ChosenNetwork>(), Entry::chosen_by);
  else
    return make(std::type_identity<Entry>(), "network");
}

// Lists: vectors of what has a name, an input and a number of classes.

/// One list of several.
template <class Network>
[[nodiscard]] std::vector<Network> all_of(std::initializer_list<std::vector<Network>> lists) {
  std::vector<Network> all;
  for (const std::vector<Network>& list : lists) all.insert(all.end(), list.begin(), list.end());
  return all;
}

/// The names, each once, in their order.
template <class Network>
[[nodiscard]] std::vector<std::string> names_of(const std::vector<Network>& networks) {
  std::vector<std::string> names;
  for (const Network& network : networks)
    if (std::ranges::find(names, network.name) == names.end()) names.push_back(network.name);
  return names;
}

/// What the networks of a name read and tell apart, in words: "3 x 32 x 32 in 10 or 100 classes, 1 x 28 x 28
/// in 10 classes".
template <class Network>
[[nodiscard]] std::string pictures_of(const std::vector<Network>& networks, const std::string& name) {
  std::vector<std::string> words;
  for (const Network& network : networks)
    if (const std::string text =
            extents_text(network.input) + " in " + std::to_string(network.classes) + " classes";
        network.name == name && std::ranges::find(words, text) == words.end())
      words.push_back(text);
  std::string all;
  for (std::size_t i = 0; i < words.size(); ++i)
    all += (i == 0 ? "" : i + 1 == words.size() ? " and " : ", ") + words[i];
  return all;
}

}  // namespace sdepth::inline SDEPTH_ISA::program
