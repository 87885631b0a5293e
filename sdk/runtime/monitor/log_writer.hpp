// SPDX-License-Identifier: Apache-2.0
// Turns the output of a container into json-file lines, as Docker writes them, and rotates the
// file.
//
// Invariants: a record holds at most 16 KiB of output; longer lines are split, at a character's
// boundary; every record but the last of a line lacks its "\n". What cannot be written (disk full)
// is dropped: a container never waits for its log, but for one whose reader it has to wait for.
// Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace berth::runtime::monitor {

struct LogWriterOptions {
  std::string path;             // empty: nothing is kept
  std::uint64_t max_bytes = 0;  // 0: never rotated
  std::uint32_t max_files = 1;
  // A log that is shipped elsewhere: how far its reader has come (state::LogPosition). What it has not taken and is rotated away is
  // counted in the file PATH.dropped, or with `wait_for_reader` is not rotated away: the writer becomes full instead.
  std::string cursor{};
  bool wait_for_reader = false;
};

class LogWriter {
 public:
  enum class Stream { Stdout, Stderr };
  static constexpr std::size_t kMaxLine = 16 * 1024;

  explicit LogWriter(LogWriterOptions options);
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // Takes output as it came. Whole lines are written before it returns.
  void write(Stream stream, std::string_view output, std::int64_t now_ns);
  // Writes what waits for the end of its line.
  void finish(std::int64_t now_ns);
  // Whether the reader has to catch up before more is to be given; what is given all the same is written.
  [[nodiscard]] bool full() const;

 private:
  void record(Stream stream, std::string_view line, std::int64_t now_ns);
  void flush();
  void open();
  void rotate();
  [[nodiscard]] std::string name(std::uint32_t number) const;
  [[nodiscard]] bool may_rotate() const;
  [[nodiscard]] std::uint64_t unread_in_oldest() const;
  void count_dropped() const;

  LogWriterOptions options_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
  std::string pending_;
  std::string carry_[2];  // of an unfinished line, by stream
};

// "2026-11-23T13:24:20.180047000Z".
std::string rfc3339_nano(std::int64_t time_ns);
// `text` between quotes; bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);

}  // namespace berth::runtime::monitor
