// SPDX-License-Identifier: Apache-2.0
// The logs of a task's containers as one stream, read until their end or as they grow.
//
// Threads: read_logs blocks the caller's; LogWakes any.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "berth/v1/launch.pb.h"

namespace berth::runtime {

// Tells those that follow a task's logs that the task has moved.
class LogWakes {
 public:
  explicit LogWakes(unsigned most) : most_(most) {}
  // An eventfd that is written at each move of the task, or -1 with too many followers. End it by remove().
  int add(const std::string& task_id);
  void remove(const std::string& task_id, int fd);
  void moved(const std::string& task_id);
  // Wakes everybody, for the end of all.
  void close();
  [[nodiscard]] bool is_closed() const;

 private:
  const unsigned most_;
  mutable std::mutex mutex_;
  std::multimap<std::string, int> fds_;
  bool closed_ = false;
};

struct LogSource {
  std::string container;
  std::filesystem::path path;
};

struct LogRead {
  std::vector<LogSource> sources;
  const v1::LogsRequest& request;
  const std::function<bool(const v1::LogRecord&)>& sink;
  // Whether the container can still write; asked before a read that is to be the last.
  std::function<bool(const std::string& container)> is_live;
  std::stop_token cancel;
};

// The number of records sent.
sdk::Result<std::uint64_t> read_logs(const LogRead& read, LogWakes& wakes);

}  // namespace berth::runtime
