// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cmath>
#include <iostream>
#include <sstream>

#include "core/cli/commands.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/table.hpp"
#include "core/cli/task_lookup.hpp"
#include "core/cli/terminal.hpp"
#include "core/cli/usage.hpp"

namespace berth::cli {
namespace {

// Waits between two looks, and ends the showing where the user wants it.
class Pause {
 public:
  Pause() {
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &ends, nullptr);
    fd_ = ::signalfd(-1, &ends, SFD_CLOEXEC);
  }
  ~Pause() { ::close(fd_); }
  Pause(const Pause&) = delete;
  Pause& operator=(const Pause&) = delete;

  // False: the user wants no more.
  [[nodiscard]] bool wait(double seconds) const {
    pollfd polled{fd_, POLLIN, 0};
    return ::poll(&polled, 1, static_cast<int>(std::lround(seconds * 1000))) == 0;
  }

 private:
  int fd_ = -1;
};

void complain_of_failures(const boost::json::object& answer) {
  for (const auto& item : list_of(answer, "failures")) {
    if (!item.is_object()) continue;
    const auto& failure = item.as_object();
    const std::string detail = text_of(failure, "detail");
    std::cerr << "berth: " << text_of(failure, "arn") << ": "
              << (detail.empty() ? text_of(failure, "reason") : detail) << '\n';
  }
}

// The API's counters with what was computed from them.
std::string json_text(const boost::json::object& answer, const std::vector<Usage>& usages) {
  boost::json::object shown = answer;
  auto& containers = shown["containers"].as_array();
  for (std::size_t i = 0; i < usages.size() && i < containers.size(); ++i) {
    auto& object = containers[i].as_object();
    if (usages[i].cpu_percent) object["cpuPercent"] = *usages[i].cpu_percent;
    if (usages[i].throttled_percent) object["cpuThrottledPercent"] = *usages[i].throttled_percent;
  }
  return boost::json::serialize(shown);
}

std::string table_text(const std::vector<Usage>& usages) {
  Table table(usage_heads());
  for (const Usage& usage : usages) table.row(usage_cells(usage));
  std::ostringstream text;
  table.print(text);
  return text.str();
}

// Draws over what was there, line by line, so that nothing flickers.
void redraw(const std::string& text, TerminalSize size) {
  std::string out = "\033[H";
  int lines = 0;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line) && lines + 1 < size.rows; ++lines) {
    out += line.substr(0, size.columns) + "\033[K\n";
  }
  std::cout << out << "\033[J" << std::flush;
}

}  // namespace

int show_usage(const Context& given, const TopOptions& options) {
  const Context context =
      context_for(given, options.tasks.empty() ? std::string() : options.tasks.front());
  ApiClient api(context.api);
  boost::json::object input = input_for(context);
  boost::json::array tasks;
  for (const auto& name : options.tasks) {
    const auto task = find_task(api, context, name);
    if (!task) return complain(task.error());
    tasks.emplace_back(*task);
  }
  if (!tasks.empty()) input["tasks"] = std::move(tasks);
  const bool live = !options.once && !context.json && is_terminal(STDOUT_FILENO);
  const Pause pause;
  UsageMeter meter;
  bool cleared = false;
  for (int look = 0;; ++look) {
    const auto answer = api.call("Berth.TaskStats", input);
    if (!answer) return complain(answer.error());
    const auto usages = meter.add(*answer);
    if (live) {
      if (!std::exchange(cleared, true)) std::cout << "\033[2J";
      redraw(table_text(usages), terminal_size(STDOUT_FILENO));
    } else if (look == 1) {
      // Rates need two looks.
      complain_of_failures(*answer);
      std::cout << (context.json ? json_text(*answer, usages) + "\n" : table_text(usages));
      return list_of(*answer, "failures").empty() ? 0 : 1;
    }
    if (!pause.wait(live ? options.interval_seconds : std::min(1.0, options.interval_seconds)))
      return 0;
  }
}

}  // namespace berth::cli
