// What a shell needs to complete the options of a program, made of the options themselves.
#pragma once

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>
#include <vector>

#include <sdepth/core/config.hpp>
#include <sdepth/program/cli11.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

inline const std::vector<std::string> completion_shells = {"bash", "zsh"};

/// The values that an option may have, a line each; empty: any. CLI11 names them in the type, as
/// TEXT:{steps,cosine}.
[[nodiscard]] inline std::string choices_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const auto begin = type.find('{'), end = type.rfind('}');
  if (begin == std::string::npos || end == std::string::npos) return "";
  std::string words = type.substr(begin + 1, end - begin - 1);
  std::ranges::replace(words, ',', '\n');
  return words;
}

/// A script for `eval "$(PROGRAM --completion bash)"`, or for zsh, whose bashcompinit understands the same.
///
/// Behind an option that takes one of some words, those are proposed, behind FILE and DIR files and
/// directories, behind numbers nothing; else options, and where the program takes arguments without a name,
/// files.
[[nodiscard]] inline std::string completion_script(const CLI::App& app, std::string_view shell) {
  std::string function = "_" + app.get_name();
  std::ranges::replace_if(function, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  std::string cases, all;
  bool takes_files = false;
  for (const CLI::Option* option : app.get_options()) {
    std::string patterns;
    for (const std::string& name : option->get_lnames()) {
      patterns += (patterns.empty() ? "--" : "|--") + name;
      all += (all.empty() ? "--" : "\n--") + name;
    }
    if (patterns.empty()) {
      takes_files = takes_files || option->get_positional();
      continue;
    }
    if (option->get_items_expected_max() == 0) continue;  // a flag
    const std::string type = option->get_type_name(), words = choices_of(*option);
    const std::string what = !words.empty() ? "proposals=$(compgen -W $'" + words + "' -- \"$current\")"
                             : type.starts_with("DIR")                             ? "files=d"
                             : type.starts_with("FILE") || type.starts_with("OUT") ? "files=f"
                                                                                   : ":";
    std::string line = what;
    for (auto at = line.find('\n'); at != std::string::npos; at = line.find('\n', at))
      line.replace(at, 1, "\\n");
    cases += "    " + patterns + ") " + line + " ;;\n";
  }
  std::string names = all;
  for (auto at = names.find('\n'); at != std::string::npos; at = names.find('\n', at))
    names.replace(at, 1, "\\n");
  const std::string otherwise = takes_files ? "if [[ $current == -* ]]; then proposals=$(compgen -W $'" +
                                                  names + "' -- \"$current\"); else files=f; fi"
                                            : "proposals=$(compgen -W $'" + names + "' -- \"$current\")";
  return std::string(
             shell == "zsh"
                 ? "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n"
                 : "") +
         function +
         "() {\n"
         "  local IFS=$'\\n' current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} proposals= files=\n"
         "  if [[ $current == = ]]; then current=  # --name=value is three words\n"
         "  elif [[ $before == = ]]; then before=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
         "  case $before in\n" +
         cases + "    *) " + otherwise + " ;;\n" +
         "  esac\n"
         "  if [[ -n $files ]]; then\n"
         "    proposals=$(compgen -$files -- \"$current\")\n"
         "    if type compopt >/dev/null 2>&1; then compopt -o filenames 2>/dev/null; fi\n"
         "  fi\n"
         "  COMPREPLY=($proposals)\n"
         "}\n"
         "complete -F " +
         function + " " + app.get_name() + "\n";
}

}  // namespace sdepth::inline SDEPTH_ISA::program
