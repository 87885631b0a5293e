// SPDX-License-Identifier: Apache-2.0
// LIST_OWNED in pieces: all that a plugin holds may be more than one payload carries. Pure.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>

#include "berth/v1/launch.pb.h"

namespace berth::sdk {

inline constexpr std::size_t kOwnedPageBytes = 4 << 20;

// Of `all` the reports after the task id `after`, in the order of ids, up to about `bytes` of them
// (at least one); `more` where others follow.
[[nodiscard]] inline v1::ListOwnedResponse owned_page(v1::ListOwnedResponse all,
                                                      const std::string& after,
                                                      std::size_t bytes = kOwnedPageBytes) {
  auto& tasks = *all.mutable_tasks();
  std::sort(tasks.pointer_begin(), tasks.pointer_end(),
            [](const auto* a, const auto* b) { return a->task_id() < b->task_id(); });
  int begin = 0;
  while (!after.empty() && begin < tasks.size() && tasks[begin].task_id() <= after) ++begin;
  int end = begin;
  for (std::size_t size = 0; end < tasks.size() && size < bytes; ++end) {
    size += tasks[end].ByteSizeLong() + 8;
  }
  all.set_more(end < tasks.size());
  tasks.DeleteSubrange(end, tasks.size() - end);
  tasks.DeleteSubrange(0, begin);
  return all;
}

}  // namespace berth::sdk
