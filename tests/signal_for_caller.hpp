// Whether a signal that a program waits for reaches it, whatever threads the library has started.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <ctime>

namespace sdepth::test {

/// Calls start() in a child process, blocks SIGUSR1 there, sends it to the child as a whole, and waits for it.
/// A thread of start()'s that takes signals would take this one, and end the child by it.
template <class Start>
bool signal_reaches_the_caller(const Start& start) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    [[maybe_unused]] const auto started = start();
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &wanted, nullptr);
    kill(getpid(), SIGUSR1);
    const timespec patience{.tv_sec = 10, .tv_nsec = 0};
    _exit(sigtimedwait(&wanted, nullptr, &patience) == SIGUSR1 ? 0 : 1);
  }
  int status = -1;
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace sdepth::test
