// SPDX-License-Identifier: Apache-2.0
// The thread on which one plugin is called: a plugin that blocks where it must not blocks this
// thread and nobody else.
//
// Threads: any.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <thread>

namespace berth::runtime {

class PluginThread {
 public:
  PluginThread();
  // As end() with no patience.
  ~PluginThread();
  PluginThread(const PluginThread&) = delete;
  PluginThread& operator=(const PluginThread&) = delete;

  // Jobs are done in their order; after end() they are dropped. A job holds what it uses: it may be
  // done, or still be under way, when this object is gone.
  void post(std::function<void()> job);

  // Lets the thread finish what it has. False where it did not within `patience`: it is left alone.
  bool end(std::chrono::milliseconds patience);

 private:
  struct State;
  static void run(const std::shared_ptr<State>& state);

  std::shared_ptr<State> state_;
  std::thread thread_;
};

}  // namespace berth::runtime
