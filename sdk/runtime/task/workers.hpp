// SPDX-License-Identifier: Apache-2.0
// A fixed number of threads that do jobs in the order in which they were given.
//
// Threads: any. Owns: its threads; stop() waits for the jobs that have begun and drops the others.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace berth::runtime {

class Workers {
 public:
  using Job = std::function<void()>;

  explicit Workers(unsigned threads);
  ~Workers() { stop(); }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // After stop() the job is dropped.
  void post(Job job);
  void stop();

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace berth::runtime
