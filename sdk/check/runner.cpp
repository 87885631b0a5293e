// SPDX-License-Identifier: Apache-2.0
#include "sdk/check/runner.hpp"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>

namespace berth::check {
namespace {

namespace fs = std::filesystem;

// In the child: the verdict goes over the pipe, the plugin's own output nowhere that could be taken
// for it.
[[noreturn]] void run_in_child(const Rule& rule, const Subject& subject, int out) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::setpgid(0, 0);
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  Outcome outcome;
  try {
    outcome = rule.run(subject);
  } catch (const std::exception& problem) {
    outcome = failed(std::string("the check itself failed: ") + problem.what());
  }
  std::string text(1, outcome.miscounted ? 'm' : "pfs"[static_cast<int>(outcome.verdict)]);
  text += outcome.words.substr(0, 4000);  // fits a pipe whole
  const ssize_t written = ::write(out, text.data(), text.size());
  ::_exit(written == static_cast<ssize_t>(text.size()) ? 0 : 1);
}

// The words of the child, or nothing if it was silent until the deadline or its end.
std::string read_verdict(int in, std::chrono::milliseconds timeout, bool& timed_out) {
  pollfd watched{in, POLLIN, 0};
  int ready = 0;
  do {
    ready = ::poll(&watched, 1, static_cast<int>(timeout.count()));
  } while (ready < 0 && errno == EINTR);
  timed_out = ready == 0;
  if (timed_out) return {};
  std::string text(8192, '\0');
  const ssize_t size = ::read(in, text.data(), text.size());
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return text;
}

std::string describe_end(int status) {
  if (WIFSIGNALED(status)) {
    return std::string("the plugin crashed: ") + ::strsignal(WTERMSIG(status));
  }
  return "the plugin ended the process with code " + std::to_string(WEXITSTATUS(status));
}

Outcome try_rule(const Rule& rule, const Subject& subject, std::chrono::milliseconds timeout) {
  int ends[2] = {-1, -1};
  if (::pipe(ends) != 0) return failed(std::string("no pipe: ") + std::strerror(errno));
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    run_in_child(rule, subject, ends[1]);
  }
  ::close(ends[1]);
  if (child < 0) {
    ::close(ends[0]);
    return failed(std::string("no process: ") + std::strerror(errno));
  }
  bool timed_out = false;
  const std::string text = read_verdict(ends[0], timeout, timed_out);
  ::close(ends[0]);
  // After its verdict a child has nothing left to do; whatever the plugin started in it goes too.
  if (timed_out || !text.empty()) ::kill(-child, SIGKILL);
  if (timed_out || !text.empty()) ::kill(child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (timed_out) {
    return failed("no end within " + std::to_string(timeout.count()) + " ms: the plugin hangs");
  }
  if (text.empty()) return failed(describe_end(status));
  const Verdict verdict = text[0] == 'p'   ? Verdict::Passed
                          : text[0] == 's' ? Verdict::Skipped
                                           : Verdict::Failed;
  return {verdict, text.substr(1), text[0] == 'm'};
}

}  // namespace

int Report::count(Verdict verdict) const {
  return static_cast<int>(std::count_if(findings.begin(), findings.end(), [&](const Finding& f) {
    return f.outcome.verdict == verdict;
  }));
}

namespace {

// Nearly every rule makes calls: one that completes wrongly would fail them all.
void name_one_defect_once(Report& report) {
  const std::string counting = "call.once";
  const bool found =
      std::any_of(report.findings.begin(), report.findings.end(), [&](const Finding& finding) {
        return finding.rule == counting && finding.outcome.verdict == Verdict::Failed;
      });
  if (!found) return;
  for (Finding& finding : report.findings) {
    if (finding.rule != counting && finding.outcome.miscounted) {
      finding.outcome = skipped(counting + " failed");
    }
  }
}

}  // namespace

Report run(const RunOptions& options) {
  Report report;
  std::string stopped_by;
  for (const Rule& rule : rules()) {
    if (!options.only.empty() && options.only != rule.id) continue;
    Finding finding{rule.id, rule.demand, {}};
    std::string scratch = (fs::temp_directory_path() / "berth-check-XXXXXX").string();
    if (!stopped_by.empty()) {
      finding.outcome = skipped(stopped_by + " failed");
    } else if (::mkdtemp(scratch.data()) == nullptr) {
      finding.outcome = failed(scratch + ": " + std::strerror(errno));
    } else {
      finding.outcome = try_rule(rule, {options.path, options.settings, scratch}, options.timeout);
      std::error_code ignored;
      fs::remove_all(scratch, ignored);
    }
    if (rule.fatal && finding.outcome.verdict == Verdict::Failed) stopped_by = rule.id;
    report.findings.push_back(std::move(finding));
  }
  name_one_defect_once(report);
  return report;
}

}  // namespace berth::check
