// SPDX-License-Identifier: Apache-2.0
// The local ends of an exec'd command: standard input is read, standard output and error are
// written, each on a thread of its own, so that a slow one holds up nothing but itself.
//
// Threads: any, but one at a time.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace berth::cli {

// Reads standard input as far as it is granted.
class InputReader {
 public:
  // On the reader's thread: a piece, or an empty one for the end.
  using Take = std::function<void(std::string)>;

  explicit InputReader(Take take);
  // Stops reading at once.
  ~InputReader();
  InputReader(const InputReader&) = delete;
  InputReader& operator=(const InputReader&) = delete;
  void grant(std::uint32_t bytes);

 private:
  void run();
  const Take take_;
  int stop_ = -1;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t credit_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

// Writes to standard output (1) and error (2).
class OutputWriter {
 public:
  // On the writer's thread: so many bytes were written.
  using Written = std::function<void(std::uint32_t)>;

  explicit OutputWriter(Written written);
  // Once all is written.
  ~OutputWriter();
  OutputWriter(const OutputWriter&) = delete;
  OutputWriter& operator=(const OutputWriter&) = delete;
  void write(int fd, std::string bytes);

 private:
  void run();
  const Written written_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<int, std::string>> queue_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace berth::cli
