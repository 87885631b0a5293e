// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "core/cli/commands.hpp"
#include "core/cli/exec_session.hpp"
#include "core/cli/task_lookup.hpp"
#include "core/cli/terminal.hpp"

namespace berth::cli {
namespace {

constexpr int kNotRun = 125;  // as `berth run`: the command's own codes are left to it

}  // namespace

int exec_command(const Context& given, const ExecOptions& options) {
  const Context context = context_for(given, options.task);
  if (options.terminal && !is_terminal(STDIN_FILENO)) {
    complain(Error{Errc::Invalid, "standard input is no terminal; leave -t out."});
    return kNotRun;
  }
  ApiClient api(context.api);
  const auto task = find_task(api, context, options.task);
  if (!task) {
    complain(task.error());
    return kNotRun;
  }
  const auto flag = [](bool value) { return std::string(value ? "true" : "false"); };
  ExecWish wish{.query = {{"task", *task}}, .input = options.input, .terminal = options.terminal};
  if (!context.cluster.empty()) wish.query.emplace_back("cluster", context.cluster);
  if (!options.container.empty()) wish.query.emplace_back("container", options.container);
  for (const auto& word : options.command) wish.query.emplace_back("command", word);
  wish.query.emplace_back("input", flag(options.input));
  wish.query.emplace_back("terminal", flag(options.terminal));
  if (options.terminal) {
    const TerminalSize size = terminal_size(STDIN_FILENO);
    wish.query.emplace_back("rows", std::to_string(size.rows));
    wish.query.emplace_back("columns", std::to_string(size.columns));
  }
  const auto code = run_exec(api.options(), wish);
  if (code) return *code;
  complain(code.error());
  return kNotRun;
}

}  // namespace berth::cli
