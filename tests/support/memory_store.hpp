// SPDX-License-Identifier: Apache-2.0
// A store in memory whose owner decides when a batch is durable, and what a crash leaves of the
// rest.
//
// Threads: one at a time; `done` runs within sync.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "core/store/store.hpp"

namespace berth::test {

// What survives.
struct MemoryDisk {
  std::map<std::pair<store::Kind, std::string>, std::string> records;
  store::Epoch epoch = 0;
  store::Sequence sequence = 0;

  [[nodiscard]] const std::string* find(store::Kind kind, const std::string& key) const {
    const auto at = records.find({kind, key});
    return at == records.end() ? nullptr : &at->second;
  }
};

class MemoryStore final : public store::Store {
 public:
  explicit MemoryStore(MemoryDisk& disk) : disk_(disk) {}

  Result<store::Loaded> load() override {
    store::Loaded loaded;
    loaded.epoch = ++disk_.epoch;
    loaded.sequence = disk_.sequence;
    for (const auto& [key, value] : disk_.records) {
      loaded.snapshot.push_back({key.first, key.second, value});
    }
    return loaded;
  }

  void append(store::Epoch epoch, store::Batch batch,
              std::function<void(Result<store::Sequence>)> done) override {
    waiting_.push_back({epoch, std::move(batch), std::move(done)});
  }

  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }

  // The oldest batch becomes durable, or fails. Requires: waiting() > 0.
  void sync_one() {
    const Item item = std::move(waiting_.front());
    waiting_.pop_front();
    if (!failure_ && item.epoch != disk_.epoch) {
      failure_ = Error{Errc::Precondition, "a newer epoch has begun", Subject::Store};
    }
    if (failure_) return item.done(tl::unexpected(*failure_));
    apply(item.batch);
    item.done(disk_.sequence);
  }
  void sync() {
    while (!waiting_.empty()) sync_one();
  }
  // No batch succeeds any more.
  void fail(Error error) { failure_ = std::move(error); }

  // The process dies: the first `kept` batches had reached the disk, nobody was told; the rest is
  // lost. None had where one before them has failed.
  void crash(std::size_t kept) {
    if (failure_) kept = 0;
    for (std::size_t i = 0; i < kept && i < waiting_.size(); ++i) apply(waiting_[i].batch);
    waiting_.clear();
  }

 private:
  struct Item {
    store::Epoch epoch;
    store::Batch batch;
    std::function<void(Result<store::Sequence>)> done;
  };

  void apply(const store::Batch& batch) {
    for (const store::Change& change : batch) {
      if (change.erase) {
        disk_.records.erase({change.kind, change.key});
      } else {
        disk_.records[{change.kind, change.key}] = change.value;
      }
    }
    ++disk_.sequence;
  }

  MemoryDisk& disk_;
  std::deque<Item> waiting_;
  std::optional<Error> failure_;
};

}  // namespace berth::test
