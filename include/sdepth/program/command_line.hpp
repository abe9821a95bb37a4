// What train and infer share as programs: arguments that are exactly what they look like, and an exit status
// that says whether all was told.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <exception>
#include <iostream>
#include <limits>
#include <new>
#include <string>
#include <string_view>
#include <system_error>

#include <sdepth/core/error.hpp>
#include <sdepth/io/text.hpp>
#include <sdepth/program/cli11.hpp>
#include <sdepth/program/completion.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// All of `text` as a number, by the rules of JSON and CSV, not of C: no blanks, no sign +, and 010 is ten.
/// False where it is none, or does not fit.
template <class Number>
[[nodiscard]] bool read_number(std::string_view text, Number& value) noexcept {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

// Validators that stand before CLI11's own reading, which takes 010 for eight, reads what does not fit as the
// largest number there is, and knows "nan" and "inf".

inline constexpr auto largest_int = static_cast<std::uint64_t>(std::numeric_limits<int>::max());

/// Whole numbers from `least` to `most`. Leading zeros are taken off, so that CLI11 reads the number in
/// decimal.
[[nodiscard]] inline CLI::Validator whole_number(std::uint64_t least, std::uint64_t most = largest_int) {
  const bool bounded = most != largest_int;
  const std::string range = std::to_string(least) + (bounded ? " to " + std::to_string(most) : " or more");
  const auto check = [=](std::string& text) -> std::string {
    std::uint64_t value = 0;
    const bool fits = text.find_first_not_of("0123456789") == std::string::npos && read_number(text, value) &&
                      least <= value && value <= most;
    if (!fits)
      return "expected a whole number, " + range + (bounded ? "" : " and at most " + std::to_string(most)) +
             ", found " + in_quotes(text);
    text = std::to_string(value);
    return "";
  };
  return {check, range};
}

/// Numbers from `least` to `most`, finite. The largest float is no bound to speak of, but what lies beyond is
/// infinite to a network.
[[nodiscard]] inline CLI::Validator finite_number(double least,
                                                  double most = std::numeric_limits<float>::max()) {
  const bool bounded = most < std::numeric_limits<float>::max();
  const std::string range = decimal(least, 6) + (bounded ? " to " + decimal(most, 6) : " or more");
  const auto check = [=](std::string& text) -> std::string {
    double value = 0;
    if (read_number(text, value) && least <= value && value <= most) return "";  // which not-a-number is not
    return "expected a finite number, " + range + ", found " + in_quotes(text);
  };
  return {check, range};
}

/// What may stand behind the = of a flag, or its name in a file of options. CLI11 alone takes any number.
[[nodiscard]] inline CLI::Validator true_or_false() {
  const auto check = [](std::string& text) -> std::string {
    return text == "true" || text == "false" ? "" : "expected true or false, found " + in_quotes(text);
  };
  return {check, ""};
}

/// Texts: "" is what a shell makes of a variable that is not set, and another option what it makes of one
/// without quotes.
[[nodiscard]] inline CLI::Validator some_text() {
  const auto check = [](std::string& text) -> std::string {
    if (text.empty()) return "expected a name, found an empty text; leave the option out if it is not meant";
    if (text.starts_with("--"))
      return "expected a name, found the option " + text + "; a file of that name is ./" + text;
    return "";
  };
  return {check, ""};
}

/// Thrown when the program has printed its help, or its version, and has nothing else to do.
struct HelpWasAsked {};

/// Reads the command line into what the options of `app` are bound to. Throws Error with a sentence for
/// whatever is wrong with it.
inline void parse(CLI::App& app, int count, char** words) {
  const std::string advice = "; `" + app.get_name() + " --help` lists the options";
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];  // of --name= CLI11 would take the next word for the value
    if (word.starts_with("--") && word.find('=') + 1 == word.size())
      fail(word.substr(0, word.size() - 1), ": expected something behind the =, found nothing", advice);
  }
  app.add_option_function<std::string>(
         "--completion",
         [&app](const std::string& shell) {
           std::cout << completion_script(app, shell);
           throw HelpWasAsked();
         },
         "print what makes a shell complete these options: eval \"$(" + app.get_name() +
             " --completion bash)\"")
      ->check(CLI::IsMember(completion_shells))
      ->configurable(false)
      ->trigger_on_parse();
  try {
    const DecimalPoints as_in_c;
    app.parse(count, words);
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    throw HelpWasAsked();
  } catch (const CLI::CallForVersion&) {
    std::cout << app.version() << '\n';
    throw HelpWasAsked();
  } catch (const CLI::ParseError& error) {
    fail(error.what(), advice);
  }
}

/// The main function of a program. Whatever it throws becomes one sentence, which begins with its name, and
/// the exit status 1.
/// @param program  int(): returns the exit status   @param when_memory_is_out  what to do then
template <class Program>
[[nodiscard]] int run_as_main(const std::string& name, const std::string& when_memory_is_out,
                              Program&& program) {
  // a limit on file sizes is then an error of the write, with its sentence, and not the program's end
  std::signal(SIGXFSZ, SIG_IGN);
  int status = 1;
  try {
    // The first files that are opened would take the numbers of standard files that are closed, and what is
    // printed would go into them.
    const bool closed = ::fcntl(STDOUT_FILENO, F_GETFD) < 0;
    int null = ::open("/dev/null", O_RDWR);
    while (null >= 0 && null <= STDERR_FILENO) null = ::open("/dev/null", O_RDWR);
    if (null >= 0) ::close(null);
    if (closed)
      fail(
          "standard output is closed, expected a place for what is to be said; send it to a file, or to /dev/null");
    status = program();
  } catch (const HelpWasAsked&) {
    status = 0;
  } catch (const Error& error) {
    std::cerr << name << ": " << error.what() << '\n';
  } catch (const std::bad_alloc&) {
    std::cerr << name << ": out of memory; " << when_memory_is_out << '\n';
  } catch (const std::exception& error) {
    std::cerr << name << ": " << error.what() << '\n';
  }
  if (!std::cout.flush() && status == 0) {
    std::cerr
        << name
        << ": not all of what was to be said could be written to standard output; see that its disk has room, or that somebody reads it\n";
    status = 1;
  }
  return status;
}

}  // namespace sdepth::inline SDEPTH_ISA::program
