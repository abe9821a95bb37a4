// Signals are the program's: threads that the library starts take none.
#pragma once

#include <csignal>
#include <initializer_list>

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// While it lives, the threads that this thread starts begin with signals blocked. So a program may wait for
/// them in a thread of its own (sigwait, signalfd), as if it had no other. What a thread's own instructions
/// raise, and a profiler's clock, reach it as ever.
class WithoutSignals {
 public:
  WithoutSignals() noexcept {
    sigset_t all;
    sigfillset(&all);
    for (const int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT, SIGPROF})
      sigdelset(&all, own);
    pthread_sigmask(SIG_BLOCK, &all, &before_);
  }
  WithoutSignals(const WithoutSignals&) = delete;
  WithoutSignals& operator=(const WithoutSignals&) = delete;
  ~WithoutSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

}  // namespace sdepth::inline SDEPTH_ISA
