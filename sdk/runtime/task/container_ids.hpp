// SPDX-License-Identifier: Apache-2.0
// How the containers of a task are called on this host.
//
// Threads: any.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>

namespace berth::runtime {

// Task ids are as ECS makes them: 32 hexadecimal digits in lower case. They become part of paths.
[[nodiscard]] inline bool is_task_id(const std::string& id) {
  return id.size() == 32 && id.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// "TASK-0" for the first one of the definition.
[[nodiscard]] inline std::string container_id(const std::string& task_id, std::size_t container) {
  return task_id + "-" + std::to_string(container);
}

// The task of such an id; empty for an id of another form.
[[nodiscard]] inline std::string task_of(const std::string& id) {
  const auto dash = id.rfind('-');
  return dash == std::string::npos ? std::string{} : id.substr(0, dash);
}

// Twelve characters, as Docker's.
[[nodiscard]] inline std::string default_hostname(const std::string& task_id, std::size_t container) {
  const std::string index = std::to_string(container);
  return task_id.substr(0, 12 - std::min<std::size_t>(index.size(), 11)) + index;
}

}  // namespace berth::runtime
