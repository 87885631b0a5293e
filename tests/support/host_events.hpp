// SPDX-License-Identifier: Apache-2.0
// What happens on this host, for tests that wait for it: files that change, processes that end,
// network links that come and go.
//
// Threads: one at a time; links are those of the network namespace of the thread that asks for
// them.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <vector>

namespace berth::test {

class HostEvents {
 public:
  HostEvents() = default;
  ~HostEvents();
  HostEvents(const HostEvents&) = delete;
  HostEvents& operator=(const HostEvents&) = delete;

  // Entries that are made, written, moved in or removed. Requires: the directory is there.
  HostEvents& watch_directory(const std::filesystem::path& directory);
  // The process, which need not be a child, becomes a zombie or is gone.
  HostEvents& watch_end(pid_t pid);
  HostEvents& watch_links();

  // Whether the condition holds: it is asked now, after each event, and once more at the limit.
  bool until(const std::function<bool()>& holds,
             std::chrono::milliseconds limit = std::chrono::seconds(30));

 private:
  // One of the descriptors becomes readable. False: not in this time.
  bool await_one(std::chrono::milliseconds limit);

  struct Source {
    int fd;
    bool once;  // readable for ever after its event
  };
  std::vector<Source> sources_;
};

}  // namespace berth::test
