// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/id_ranges.hpp"

#include <cerrno>
#include <cstring>
#include <vector>

#include "sdk/runtime/monitor/state_files.hpp"

namespace berth::runtime {

namespace fs = std::filesystem;

sdk::Result<std::unique_ptr<IdRanges>> IdRanges::open(fs::path directory,
                                                      IdRangeSettings settings) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return sdk::fail(BERTH_INTERNAL, directory.string() + ": " + error.message());
  std::unique_ptr<IdRanges> out(new IdRanges(directory, settings));
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    const std::string task = entry.path().filename();
    if (task.ends_with(".tmp")) {  // of one that was killed while it wrote
      std::error_code ignored;
      fs::remove(entry.path(), ignored);
      continue;
    }
    const auto lines = state::read_lines(entry.path());
    const auto number = lines ? lines->number("number") : -1;
    // A living task's files have the owners that it was given: they cannot become others'.
    const bool same = lines && lines->number("first") == settings.first &&
                      lines->number("per_task") == settings.per_task && number >= 0 &&
                      number < settings.ranges();
    if (!same) {
      return sdk::fail(BERTH_PRECONDITION,
                       "task " + task +
                           " has a range of ids that user_namespaces no longer holds;"
                           " stop it before the setting is changed",
                       "user_namespaces");
    }
    out->taken_[task] = static_cast<std::uint32_t>(number);
  }
  return out;
}

sdk::Result<void> check_ids(const IdRange& ids, const image::ProcessUser& user) {
  std::vector<std::uint32_t> all = user.additional_gids;
  all.push_back(user.uid);
  all.push_back(user.gid);
  for (const std::uint32_t id : all) {
    if (ids.holds(id)) continue;
    return sdk::fail(BERTH_INVALID,
                     "the id " + std::to_string(id) + " of its user is beyond the " +
                         std::to_string(ids.count) + " ids that each task has (ids_per_task)",
                     "user");
  }
  return {};
}

IdRange IdRanges::range(std::uint32_t number) const {
  return {.first = settings_.first + number * settings_.per_task, .count = settings_.per_task};
}

sdk::Result<IdRange> IdRanges::acquire(const std::string& task_id) {
  const std::lock_guard lock(mutex_);
  if (const auto had = taken_.find(task_id); had != taken_.end()) return range(had->second);
  std::vector<bool> used(settings_.ranges());
  for (const auto& [task, number] : taken_) used[number] = true;
  std::uint32_t number = 0;
  while (number < used.size() && used[number]) ++number;
  if (number == used.size()) {
    return sdk::fail(BERTH_NO_CAPACITY, "all " + std::to_string(used.size()) +
                                            " ranges of ids of user_namespaces are taken");
  }
  state::Lines lines;
  lines.add("number", number);
  lines.add("first", settings_.first);
  lines.add("per_task", settings_.per_task);
  const fs::path file = directory_ / task_id;
  if (!state::write_file(file, lines.print(), state::Sync::Yes)) {
    return sdk::fail(BERTH_INTERNAL, file.string() + ": " + std::strerror(errno));
  }
  taken_[task_id] = number;
  return range(number);
}

sdk::Result<void> IdRanges::release(const std::string& task_id) {
  const std::lock_guard lock(mutex_);
  std::error_code error;
  fs::remove(directory_ / task_id, error);
  if (error) {
    return sdk::fail(BERTH_INTERNAL, (directory_ / task_id).string() + ": " + error.message());
  }
  taken_.erase(task_id);
  return {};
}

void IdRanges::sweep(const std::set<std::string>& live) {
  std::vector<std::string> gone;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [task, number] : taken_) {
      if (!live.contains(task)) gone.push_back(task);
    }
  }
  for (const std::string& task : gone) (void)release(task);
}

}  // namespace berth::runtime
