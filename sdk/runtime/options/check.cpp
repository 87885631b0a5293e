// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/options/check.hpp"

#include "sdk/runtime/options/container_options.hpp"
#include "sdk/runtime/options/firelens.hpp"
#include "sdk/runtime/options/members.hpp"
#include "sdk/runtime/options/names.hpp"
#include "sdk/runtime/options/port_ranges.hpp"
#include "sdk/runtime/options/volumes.hpp"

namespace berth::runtime::options {
namespace {

// Swap is told by memory and swap together, so without memory there is nothing to tell.
sdk::Result<void> check_swap(const v1::ecs::TaskDefinition& task,
                             const v1::ecs::TaskOverride& overrides, int container) {
  const auto& definition = task.container_definitions(container);
  bool limited = definition.memory() > 0;
  for (const auto& changes : overrides.container_overrides()) {
    if (changes.name() == definition.name() && changes.memory() > 0) limited = true;
  }
  if (limited || !definition.linux_parameters().has_max_swap()) return {};
  return wrong(of_container(container, "linuxParameters.maxSwap"),
               "maxSwap needs the container's memory.");
}

sdk::Result<void> check_container(const v1::ecs::TaskDefinition& task,
                                  const v1::ecs::TaskOverride& overrides, int container) {
  if (auto read = read_container_options(task, container); !read) return read.error();
  if (auto good = check_swap(task, overrides, container); !good) return good;
  if (auto read = read_mount_points(task, container); !read) return read.error();
  if (auto read = read_volumes_from(task, container); !read) return read.error();
  if (auto read = read_links(task, container); !read) return read.error();
  if (auto good = check_names(task, container); !good) return good;
  return check_port_ranges(task, container);
}

}  // namespace

sdk::Result<void> check(const v1::ecs::TaskDefinition& task,
                        const v1::ecs::TaskOverride& overrides) {
  if (auto read = read_volumes(task); !read) return read.error();
  for (int i = 0; i < task.container_definitions_size(); ++i) {
    if (auto good = check_container(task, overrides, i); !good) return good;
  }
  if (auto read = read_log_router(task); !read) return read.error();
  return {};
}

}  // namespace berth::runtime::options
