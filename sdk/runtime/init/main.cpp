// SPDX-License-Identifier: Apache-2.0
// berth-init -- PROGRAM [ARGUMENT...]   the first process of a container: runs the program, hands
// every signal on to it, reaps
//                                       orphans, and ends as the program ended
// berth-init --pause                    holds the namespaces that the containers of a task share,
// reaps in them, until SIGTERM
#include <cerrno>
#include <csignal>
#include <cstring>
#include <initializer_list>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr int kUsage = 2;
constexpr int kNotRunnable = 126;
constexpr int kNotFound = 127;

void say(const char* text) {
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text, std::strlen(text));
}

void run(char** argv, const sigset_t& before) {
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  // A group of its own, and the terminal with it: the terminal's signals reach the program, and
  // this process not.
  ::setpgid(0, 0);
  if (::isatty(STDIN_FILENO) != 0) {
    ::signal(SIGTTOU, SIG_IGN);
    ::tcsetpgrp(STDIN_FILENO, ::getpgrp());
    ::signal(SIGTTOU, SIG_DFL);
  }
  ::execvp(argv[0], argv);
  const int why = errno;
  say("berth-init: ");
  say(argv[0]);
  say(why == ENOENT ? ": no such program\n" : ": cannot be run\n");
  ::_exit(why == ENOENT ? kNotFound : kNotRunnable);
}

// The program's exit code once it has ended, else -1.
int reap(pid_t program) {
  int code = -1;
  int status = 0;
  for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
    if (pid == program) code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  const bool pause = argc == 2 && std::strcmp(argv[1], "--pause") == 0;
  if (!pause && (argc < 3 || std::strcmp(argv[1], "--") != 0)) {
    say("usage: berth-init -- PROGRAM [ARGUMENT...], or --pause (run by berth-agent)\n");
    return kUsage;
  }
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  // Faults of this process are its own.
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS})
    ::sigdelset(&all, fault);
  ::sigprocmask(SIG_BLOCK, &all, &before);
  // Where the namespace of processes is another's, orphans would go to its first process.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  pid_t program = 0;
  if (!pause) {
    program = ::fork();
    if (program == 0) run(argv + 2, before);
    if (program < 0) return kNotRunnable;
  }
  for (;;) {
    siginfo_t info{};
    const int signo = ::sigwaitinfo(&all, &info);
    if (signo == SIGCHLD) {
      const int code = reap(program);
      if (code >= 0) return code;
    } else if (pause && (signo == SIGTERM || signo == SIGINT)) {
      return 0;
    } else if (!pause && signo > 0) {
      ::kill(program, signo);
    }
  }
}
