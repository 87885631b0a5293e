// SPDX-License-Identifier: Apache-2.0
// One thread with an event loop: everything of a fleet server, or of any number of clients, happens on it.
//
// Threads: any, but for what says [loop]: that only on the loop's own thread.
// Owns: its thread; the destructor joins it and drops what has not run.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

namespace boost::asio {
class io_context;
}

namespace berth::fleet {

class Loop {
 public:
  // A call that is due later; destroying or resetting it takes the call back. [loop]
  class Timer {
   public:
    Timer() = default;
    void reset() { alive_.reset(); }

   private:
    friend class Loop;
    std::shared_ptr<void> alive_;
  };

  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs `work` on the loop, later, in the order of the posts of one thread.
  void post(std::function<void()> work);

  // Runs `work` on the loop and waits for it; at once where the caller is the loop.
  void run(const std::function<void()>& work);

  [[nodiscard]] bool is_this_thread() const;

  // [loop]
  [[nodiscard]] Timer after(std::chrono::milliseconds delay, std::function<void()> work);

  // Ends the thread; what has not run never will, and run() runs on its caller. For owners who must come down in order. Not
  // from the loop itself.
  void stop();

  // For the transport. Valid as long as the loop.
  boost::asio::io_context& context();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::fleet
