// Signals that ask a run to stop: it finishes its step, saves, and says how to go on.
#pragma once

#include <array>
#include <csignal>

namespace sdepth::inline SDEPTH_ISA::program {

inline volatile std::sig_atomic_t stop_asked = 0;

/// Ctrl-C, a polite kill, a terminal that was closed, and a reader of standard output that went away, as
/// `head` does.
inline constexpr std::array stop_signals{SIGINT, SIGTERM, SIGHUP, SIGPIPE};

/// What was ignored when the program began stays ignored: by nohup, or by a shell for what runs in its
/// background.
inline void set_unless_ignored(int signal, void (*handler)(int), int flags) {
  struct sigaction now{};
  if (::sigaction(signal, nullptr, &now) != 0 || now.sa_handler == SIG_IGN) return;
  struct sigaction next{};
  next.sa_handler = handler;
  next.sa_flags = flags;
  ::sigaction(signal, &next, nullptr);
}

/// Notes the signals in stop_asked. A second Ctrl-C or kill ends the program at once; a closed terminal may
/// be told twice, by the shell and by the kernel.
inline void listen_to_signals() {
  for (const int signal : stop_signals) {
    const bool once = signal == SIGINT || signal == SIGTERM;
    set_unless_ignored(
        signal, [](int) { stop_asked = 1; }, SA_RESTART | (once ? static_cast<int>(SA_RESETHAND) : 0));
  }
}

/// From here on they end the program at once; but a reader that went away is still noticed when the program
/// ends.
inline void leave_signals_alone() {
  for (const int signal : stop_signals)
    if (signal != SIGPIPE) set_unless_ignored(signal, SIG_DFL, 0);
}

}  // namespace sdepth::inline SDEPTH_ISA::program
