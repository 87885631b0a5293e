// SPDX-License-Identifier: Apache-2.0
#include "sdk/fleet/node_writer.hpp"

#include <chrono>
#include <utility>

#include "sdk/fleet/durable_file.hpp"

namespace berth::fleet {
namespace {

constexpr std::chrono::seconds kAgain{1};

}  // namespace

NodeWriter::NodeWriter(std::filesystem::path directory, Failed failed)
    : directory_(std::move(directory)), failed_(std::move(failed)), thread_([this] { run(); }) {}

NodeWriter::~NodeWriter() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
  // Each of them, also behind one that cannot be written: they take turns.
  for (std::size_t left = waiting_.size(); left > 0; --left) (void)write_next();
}

sdk::Result<void> NodeWriter::write(const std::string& name, const std::string& content) {
  const std::lock_guard disk(disk_);
  {
    const std::lock_guard lock(mutex_);
    waiting_.erase(name);
  }
  return write_durably(directory_ / name, content, 0600);
}

void NodeWriter::write_later(const std::string& name, std::string content) {
  {
    const std::lock_guard lock(mutex_);
    waiting_[name] = std::move(content);
  }
  changed_.notify_all();
}

void NodeWriter::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    if (ending_) return;
    lock.unlock();
    const bool good = write_next();
    lock.lock();
    if (!good) changed_.wait_for(lock, kAgain, [this] { return ending_; });
  }
}

bool NodeWriter::write_next() {
  const std::lock_guard disk(disk_);
  std::string name;
  std::string content;
  {
    const std::lock_guard lock(mutex_);
    auto next = waiting_.upper_bound(last_);
    if (next == waiting_.end()) next = waiting_.begin();
    if (next == waiting_.end()) return false;
    name = last_ = next->first;
    content = std::move(next->second);
    waiting_.erase(next);
  }
  const auto written = write_durably(directory_ / name, content, 0600);
  if (written) return true;
  {
    const std::lock_guard lock(mutex_);
    waiting_.emplace(name, std::move(content));  // unless there is a newer one
  }
  if (failed_) failed_(name, written.error());
  return false;
}

}  // namespace berth::fleet
