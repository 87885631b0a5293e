// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/idle_tasks.hpp"

#include <chrono>
#include <string>

#include "sdk/runtime/oci/container_state.hpp"
#include "sdk/runtime/task/container_ids.hpp"
#include "sdk/runtime/task/task_machine.hpp"
#include "sdk/runtime/task/task_store.hpp"
#include "sdk/runtime/task/tasks.hpp"

namespace berth::runtime {
namespace {

namespace fs = std::filesystem;

sdk::Result<void> check_nothing_runs(const fs::path& data_dir) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(data_dir / "runtime/containers", error)) {
    const auto view = read_view(entry.path());
    if (!view && view.error().status != BERTH_NOT_FOUND) return view.error();
    if (!view || view->phase != ContainerPhase::Running) continue;
    return sdk::fail(BERTH_PRECONDITION,
                     "task " + task_of(view->handle.id) + " still runs; stop it first");
  }
  return {};
}

}  // namespace

sdk::Result<std::size_t> stop_idle_tasks(const fs::path& data_dir) {
  auto store = TaskStore::open(task_store_file(data_dir));
  if (!store) return store.error();
  if (auto idle = check_nothing_runs(data_dir); !idle) return idle.error();
  auto contents = (*store)->load();
  if (!contents) return contents.error();
  const Now now{std::chrono::duration_cast<std::chrono::milliseconds>(
                    std::chrono::system_clock::now().time_since_epoch())
                    .count()};
  TaskStore::Batch batch;
  for (auto& task : contents->tasks) {
    if (task.state.stopped_ms() != 0) continue;
    const auto plan = plan_task(task.request, {});
    if (!plan) return plan.error();
    (void)step(*plan, task.state, StopRequested{.reason = "The agent was removed", .force = true},
               now);
    batch.updated.push_back({&task.request.task_id(), &task.state});
  }
  if (auto committed = (*store)->commit(batch); !committed) return committed.error();
  return batch.updated.size();
}

}  // namespace berth::runtime
