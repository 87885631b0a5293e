// SPDX-License-Identifier: Apache-2.0
// Waits for the ends of any number of containers on one thread.
//
// Threads: any. Owns: its thread and the watches; stop() ends both, after which no callback comes.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "sdk/runtime/oci/container_runtime.hpp"

namespace berth::runtime {

class ExitWatcher {
 public:
  // Nothing: the watch broke, how the container ended is not known.
  using Ended = std::function<void(const std::optional<ContainerExit>&)>;

  ExitWatcher();
  ~ExitWatcher() { stop(); }
  ExitWatcher(const ExitWatcher&) = delete;
  ExitWatcher& operator=(const ExitWatcher&) = delete;

  // Calls `ended` once, on the watcher's thread.
  void add(ExitWatch watch, Ended ended);
  void stop();

 private:
  struct Item {
    ExitWatch watch;
    Ended ended;
  };
  void run();
  void look(std::uint64_t key);
  bool arm(std::uint64_t key, int fd);

  int epoll_ = -1;
  int wake_ = -1;
  std::mutex mutex_;
  std::map<std::uint64_t, std::shared_ptr<Item>> items_;
  std::uint64_t next_key_ = 1;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace berth::runtime
