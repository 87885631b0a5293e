// SPDX-License-Identifier: Apache-2.0
// A control core in a world without time or trouble: the store is durable at once, the plugin does
// at once what it is asked for.
//
// Threads: one.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/control/control.hpp"
#include "core/model/instant.hpp"

namespace berth::bench {

class SmallWorld : private Timers, private control::PluginCalls, private store::Store {
 public:
  // A cluster of `nodes` with room for `tasks` and half as many more.
  SmallWorld(int nodes, int tasks);
  ~SmallWorld() override;

  // A service of so many tasks, all RUNNING and healthy.
  void make_service(int tasks);
  // A healthy task of the service ends; returns once another is RUNNING.
  void replace_one();
  void scale_to(int tasks);
  // A new deployment, at most half as many tasks again at a time: what starts stays PENDING.
  void begin_rollout();
  // One of them is RUNNING and healthy: returns once an old one has ended and another was started.
  void roll_one();
  [[nodiscard]] int running() const;
  // Bytes that went to the store.
  [[nodiscard]] std::uint64_t written() const { return written_; }

 private:
  void wake_at(Instant) override {}
  void call(const PluginName& plugin, std::uint32_t method, std::string request,
            milliseconds timeout, std::function<void(Result<std::string>)> done) override;
  Result<store::Loaded> load() override {
    store::Loaded nothing;
    nothing.epoch = 1;
    return nothing;
  }
  void append(store::Epoch epoch, store::Batch batch,
              std::function<void(Result<store::Sequence>)> done) override;
  void settle();
  void say(const std::string& task, int phase);
  void obey(control::Command command);

  SeededRng rng_{7};
  Instant now_{milliseconds(1'700'000'000'000)};
  std::deque<std::function<void()>> posted_;
  std::map<std::string, std::string> node_of_;  // of tasks that run
  std::deque<std::string> oldest_;              // tasks in the order of their starts
  bool holds_ = false;                          // tasks that start stay PENDING
  std::deque<std::string> held_{};              // these
  std::uint64_t sequence_ = 0;
  std::uint64_t written_ = 0;
  store::Sequence batches_ = 0;
  std::unique_ptr<control::Control> core_;
};

}  // namespace berth::bench
