// A file of options, one a line. CLI11's own reader passes over names that no option has, takes a comma for
// the end of a value, and leaves out what stands below a heading.
#pragma once

#include <algorithm>
#include <istream>
#include <string>
#include <string_view>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/io/text.hpp>
#include <sdepth/program/cli11.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// Reads lines such as `lr = 0.05`: the name of an option without its --, and what would stand behind it on
/// the command line, in quotes of either kind where it has blanks at an end or a # behind a blank. A flag may
/// stand alone. # and ; begin a comment, at the beginning of a line and behind a blank.
class OptionsFile : public CLI::Config {
 public:
  /// @param app  whose options the file may have; outlives this
  explicit OptionsFile(const CLI::App& app) : app_(app) {}

  /// Throws Error for the first line that is not of this form, names no option, or names one again.
  [[nodiscard]] std::vector<CLI::ConfigItem> from_config(std::istream& file) const override {
    std::vector<CLI::ConfigItem> entries;
    std::string text;
    for (int number = 1; std::getline(file, text); ++number) {
      std::string_view line = text;
      if (number == 1 && line.starts_with("\xEF\xBB\xBF"))
        line.remove_prefix(3);  // as Windows' editors begin
      line = trimmed(line);
      if (line.empty() || comment(line)) continue;
      const auto refuse = [&](const auto&... what) {
        fail(app_.get_config_ptr()->as<std::string>(), ", line ", number, ": ", what...);
      };
      const std::size_t equals = line.find('=');
      const std::string name(trimmed(uncommented(line.substr(0, equals))));
      const CLI::Option* option = name.empty() ? nullptr : app_.get_option_no_throw("--" + name);
      if (!option || !option->get_configurable())
        refuse("expected the name of an option and its value, such as lr = 0.05, found ", in_quotes(line),
               "; `", app_.get_name(), " --help` lists the options");
      if (std::ranges::find(entries, name, &CLI::ConfigItem::name) != entries.end())
        refuse(name, " stands above as well; leave one of the two out");
      std::string value = "true";
      if (equals != std::string_view::npos) {
        if (!read_value(trimmed(line.substr(equals + 1)), value))
          refuse(name, ": expected a value, and nothing but a comment behind its quotes, found ",
                 in_quotes(line));
        if (value.empty()) refuse(name, ": expected a value behind the =, found nothing");
      } else if (option->get_expected_min() > 0) {
        refuse(name, ": expected a value, such as ", name, " = VALUE, found ", in_quotes(line));
      }
      entries.emplace_back();
      entries.back().name = name;
      entries.back().inputs = {value};
    }
    return entries;
  }
  /// CLI11 wants to be able to write such a file; the programs do not.
  [[nodiscard]] std::string to_config(const CLI::App*, bool, bool, std::string) const override { return ""; }

 private:
  [[nodiscard]] static bool comment(std::string_view text) {
    return text.starts_with('#') || text.starts_with(';');
  }
  [[nodiscard]] static std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t\r";
    const std::size_t first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
  }
  [[nodiscard]] static std::string_view uncommented(std::string_view text) {
    for (std::size_t i = 1; i < text.size(); ++i)
      if (comment(text.substr(i)) && (text[i - 1] == ' ' || text[i - 1] == '\t')) return text.substr(0, i);
    return text;
  }
  /// False where something stands behind the quotes, or they do not end.
  [[nodiscard]] static bool read_value(std::string_view text, std::string& value) {
    if (!text.starts_with('"') && !text.starts_with('\'')) {
      value = trimmed(comment(text) ? std::string_view() : uncommented(text));
      return true;
    }
    const std::size_t end = text.find(text.front(), 1);
    if (end == std::string_view::npos) return false;
    value = text.substr(1, end - 1);
    const std::string_view rest = trimmed(text.substr(end + 1));
    return rest.empty() || comment(rest);
  }

  const CLI::App& app_;
};

}  // namespace sdepth::inline SDEPTH_ISA::program
