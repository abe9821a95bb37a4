// Programs run from outside, as a person runs them: their output, their exit status, and what a kill leaves.
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../io/scratch_folder.hpp"

namespace sdepth::test {
namespace {

/// What became of a program. `status` is its exit status, or minus the signal that ended it.
struct Outcome {
  int status = 0;
  std::string output;  // standard output and standard error
  std::string errors;  // standard error alone
};

using Words = std::vector<std::string>;

inline Words operator+(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// A program of the examples, or with its whole path another, while it runs. Ends it when it goes out of
/// scope.
class Process {
 public:
  /// @param file_limit  files cannot grow beyond so many bytes, as on a full disk; 0: no limit
  Process(const std::string& program, const Words& words, rlim_t file_limit = 0) {
    const std::string path =
        program.starts_with('/') ? program : std::string(SDEPTH_PROGRAMS_DIR) + "/" + program;
    std::vector<std::string> all = Words{path} + words;
    std::vector<char*> arguments;
    for (std::string& word : all) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const std::string out = output_ / "out", err = output_ / "err";
    id_ = fork();
    if (id_ != 0) return;
    // The child: nothing but system calls until exec.
    const auto redirect = [](const std::string& file, int to) {
      dup2(open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600), to);
    };
    redirect(out, STDOUT_FILENO);
    redirect(err, STDERR_FILENO);
    if (file_limit > 0) {
      signal(SIGXFSZ, SIG_IGN);
      const rlimit limit{file_limit, file_limit};
      setrlimit(RLIMIT_FSIZE, &limit);
    }
    alarm(120);  // a program that should have refused and trains instead ends here
    execv(path.c_str(), arguments.data());
    _exit(127);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    if (id_ > 0) static_cast<void>(finish(SIGKILL));
  }

  [[nodiscard]] pid_t id() const { return id_; }
  void send(int signal) const { kill(id_, signal); }
  /// Sends a signal, unless it is 0, and waits for the end.
  [[nodiscard]] Outcome finish(int signal = 0) {
    if (signal != 0) kill(id_, signal);
    int status = 0;
    waitpid(std::exchange(id_, -1), &status, 0);
    const std::string errors = bytes_of(output_ / "err");
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), bytes_of(output_ / "out") + errors,
            errors};
  }

  /// Waits until the file is there; false where the program ended before, or a minute passed.
  [[nodiscard]] bool wait_for(const std::filesystem::path& file) const {
    const auto start = std::chrono::steady_clock::now();
    while (!std::filesystem::exists(file)) {
      siginfo_t state{};
      waitid(P_PID, static_cast<id_t>(id_), &state, WEXITED | WNOHANG | WNOWAIT);
      if (state.si_pid != 0 || std::chrono::steady_clock::now() - start > std::chrono::minutes(1))
        return std::filesystem::exists(file);
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
  }

 private:
  ScratchFolder output_;
  pid_t id_ = -1;
};

/// Runs a program to its end.
[[maybe_unused]] Outcome run_program(const std::string& program, const Words& words, rlim_t file_limit = 0) {
  return Process(program, words, file_limit).finish();
}

/// What a program that refused said: exit status 1 and one sentence on standard error, which begins with its
/// name.
inline std::string refusal_of(const Outcome& outcome, const std::string& program) {
  const bool one_line =
      outcome.errors.starts_with(program + ": ") && outcome.errors.find('\n') + 1 == outcome.errors.size();
  return outcome.status == 1 && one_line
             ? outcome.errors
             : "exit status " + std::to_string(outcome.status) + ", not one sentence: " + outcome.output;
}
[[maybe_unused]] std::string refusal(const std::string& program, const Words& words, rlim_t file_limit = 0) {
  return refusal_of(run_program(program, words, file_limit), program);
}

/// A short run on pictures that need no files.
inline const Words small_run = {"--data",       "synthetic", "--limit-train", "300", "--limit-test", "100",
                                "--validation", "50",        "--epochs",      "2",   "--batch",      "32",
                                "--seed",       "11"};

}  // namespace
}  // namespace sdepth::test
