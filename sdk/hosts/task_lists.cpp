// SPDX-License-Identifier: Apache-2.0
#include "sdk/hosts/task_lists.hpp"

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>

#include "berth/v1/plugin.pb.h"

namespace berth::hosts {
namespace {

constexpr std::size_t kMostTasks =
    500'000;  // of one node, more than any host can have run in an hour

struct Gathering : std::enable_shared_from_this<Gathering> {
  fleet::Server& fleet;
  std::chrono::steady_clock::time_point deadline;
  std::function<void(TaskLists)> done;
  std::mutex mutex{};
  std::size_t open = 0;
  TaskLists lists{};

  Gathering(fleet::Server& server, std::chrono::milliseconds patience,
            std::function<void(TaskLists)> then)
      : fleet(server),
        deadline(std::chrono::steady_clock::now() + patience),
        done(std::move(then)) {}

  void ask(const std::string& id, const std::string& after) {
    v1::ListOwnedRequest request;
    request.set_after(after);
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    fleet.call(
        id, v1::METHOD_LAUNCH_LIST_OWNED, request.SerializeAsString(),
        {.timeout = std::max(left, std::chrono::milliseconds(1))},
        [self = shared_from_this(), id, after](berth_status status, const std::string& payload) {
          self->answered(id, after, status, payload);
        });
  }

  void answered(const std::string& id, const std::string& after, berth_status status,
                const std::string& payload) {
    v1::ListOwnedResponse response;
    bool sound = status == BERTH_OK && response.ParseFromString(payload);
    const std::string last =
        response.tasks().empty() ? std::string() : response.tasks().rbegin()->task_id();
    sound = sound && (!response.more() || last > after);
    std::unique_lock lock(mutex);
    ListedNode& node = lists[id];
    sound =
        sound && node.tasks.size() + static_cast<std::size_t>(response.tasks_size()) <= kMostTasks;
    node.reachable = sound;
    if (!sound) node.tasks.clear();
    for (auto& report : *response.mutable_tasks()) {
      if (!sound) break;
      report.set_node_id(id);  // whatever it says
      node.tasks.push_back(std::move(report));
    }
    if (sound && response.more()) {
      lock.unlock();
      return ask(id, last);
    }
    if (--open > 0) return;
    lock.unlock();
    done(std::move(lists));
  }
};

}  // namespace

void list_tasks(fleet::Server& fleet, const std::vector<std::string>& node_ids,
                std::chrono::milliseconds patience, std::function<void(TaskLists)> done) {
  if (node_ids.empty()) return done({});
  const auto gathering = std::make_shared<Gathering>(fleet, patience, std::move(done));
  gathering->open = node_ids.size();
  for (const auto& id : node_ids) gathering->ask(id, {});
}

}  // namespace berth::hosts
