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
#include <set>
#include <thread>

#include "sdk/runtime/oci/container_runtime.hpp"

namespace berth::runtime {

class ExitWatcher {
 public:
  using Begin = std::function<sdk::Result<ExitWatch>()>;
  // Nothing: the watch broke, how the container ended is not known.
  using Ended = std::function<void(const std::optional<ContainerExit>&)>;

  ExitWatcher();
  ~ExitWatcher() { stop(); }
  ExitWatcher(const ExitWatcher&) = delete;
  ExitWatcher& operator=(const ExitWatcher&) = delete;

  // Calls `ended` once, on the watcher's thread or at once. What is UNAVAILABLE now (no descriptor is left) is tried again every
  // second: it says nothing of the container.
  void add(Begin begin, Ended ended);
  void stop();

 private:
  struct Item {
    Begin begin;
    Ended ended;
    std::optional<ExitWatch> watch{};  // once begun
  };
  void run();
  void begin(std::uint64_t key, const std::shared_ptr<Item>& item);
  void look(std::uint64_t key);
  bool arm(std::uint64_t key, int fd);
  void postpone(std::uint64_t key, const sdk::Error& why);
  void finish(std::uint64_t key, const std::optional<ContainerExit>& exit);
  void wake() const;

  int epoll_ = -1;
  int wake_ = -1;
  std::mutex mutex_;
  std::map<std::uint64_t, std::shared_ptr<Item>> items_;
  std::set<std::uint64_t> later_;  // of the items: to be looked at again
  std::uint64_t next_key_ = 1;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace berth::runtime
