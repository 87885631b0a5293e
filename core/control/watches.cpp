// SPDX-License-Identifier: Apache-2.0
#include "core/control/watches.hpp"

#include <algorithm>
#include <utility>

namespace berth::control {

void Watches::watch(const TaskId& task, Wait wait) {
  // No cursor for what is no task: nobody would take it away again.
  if (!desk_.state().task(task) || wait.cursor != cursor_of(task) || wait.deadline <= desk_.now()) {
    return answer(task, wait.reply);
  }
  std::vector<Waiter>& waiters = waiting_[task];
  const Alarms::Id alarm = desk_.alarms().set(wait.deadline, [this, task, reply = wait.reply] {
    auto& all = waiting_[task];
    all.erase(std::remove_if(all.begin(), all.end(),
                             [&](const Waiter& one) { return one.alarm.at <= desk_.now(); }),
              all.end());
    if (all.empty()) waiting_.erase(task);
    answer(task, reply);
  });
  waiters.push_back({alarm, std::move(wait.reply)});
}

void Watches::changed(const TaskId& task) {
  if (const auto known = cursors_.find(task); known != cursors_.end()) {
    if (desk_.state().task(task)) {
      known->second = ++last_;
    } else {
      cursors_.erase(known);
    }
  }
  const auto at = waiting_.find(task);
  if (at == waiting_.end()) return;
  const std::vector<Waiter> waiters = std::move(at->second);
  waiting_.erase(at);
  for (const Waiter& waiter : waiters) {
    desk_.alarms().cancel(waiter.alarm);
    answer(task, waiter.reply);
  }
}

std::uint64_t Watches::cursor_of(const TaskId& task) {
  std::uint64_t& cursor = cursors_[task];
  if (cursor == 0) cursor = ++last_;
  return cursor;
}

void Watches::answer(const TaskId& id, const Reply& reply) {
  const TaskPtr task = desk_.state().task(id);
  if (!task) {
    return desk_.answer(
        reply, fail(Errc::NotFound, "The referenced task was not found.", Subject::Task, id.str()));
  }
  WatchTaskAnswer answer{.task = task, .cursor = cursor_of(id), .pulls = {}};
  if (task->report && task->last_status < TaskStatus::Running) {
    answer.pulls.assign(task->report->pulls().begin(), task->report->pulls().end());
  }
  desk_.answer(reply, Answer(std::move(answer)));
}

}  // namespace berth::control
