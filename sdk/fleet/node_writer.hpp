// SPDX-License-Identifier: Apache-2.0
// Writes the files of nodes: at once, or behind the back of a thread that must not wait for a disk.
//
// Invariants: 1. Of a node that is written again before its turn the newest alone is. 2. What is written at once is never overwritten by
// what was to be written before. 3. What waits at the end is tried once more.
// Threads: any. Owns: its thread.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "berth/result.hpp"

namespace berth::fleet {

class NodeWriter {
 public:
  // Told, on the writer's thread, of what could not be written later; it is tried again each second.
  using Failed = std::function<void(const std::string& name, const sdk::Error& error)>;

  NodeWriter(std::filesystem::path directory, Failed failed);
  ~NodeWriter();
  NodeWriter(const NodeWriter&) = delete;
  NodeWriter& operator=(const NodeWriter&) = delete;

  // Durable when it returns; waits for no more than one other file. Errors: INTERNAL.
  [[nodiscard]] sdk::Result<void> write(const std::string& name, const std::string& content);
  void write_later(const std::string& name, std::string content);

 private:
  void run();
  // Whether there was anything to write, and it went well.
  bool write_next();

  const std::filesystem::path directory_;
  const Failed failed_;
  std::mutex disk_;  // held while a file is written; taken before mutex_
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::string> waiting_;
  std::string last_;  // so that each has its turn
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace berth::fleet
