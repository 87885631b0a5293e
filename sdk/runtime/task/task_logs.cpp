// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/task/task_logs.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <utility>

#include "sdk/runtime/log/json_log.hpp"

namespace berth::runtime {
namespace {

void write_event(int fd) {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(fd, &one, sizeof one);
}

v1::LogRecord record_of(const std::string& container, LogRecord&& line) {
  v1::LogRecord record;
  record.set_container(container);
  record.set_time_ns(line.time_ns);
  record.set_channel(line.stream == LogStream::Stderr ? v1::StreamChunk::CHANNEL_STDERR
                                                      : v1::StreamChunk::CHANNEL_STDOUT);
  record.set_data(std::move(line.data));
  record.set_partial(line.partial);
  return record;
}

// One container's log, read ahead by a little.
struct Tap {
  std::string container;
  JsonLogReader reader;
  std::deque<LogRecord> ahead{};
  bool ended = false;  // nothing more will come
};

class Merge {
 public:
  explicit Merge(const LogRead& read) : read_(read) {}

  sdk::Result<void> open() {
    LogQuery query;
    if (read_.request.has_since()) {
      // The years that nanoseconds reach, 1677 to 2262; who asks for more means the first or the last.
      constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max() / 1'000'000;
      query.since_ns = std::clamp(read_.request.since().ms(), -kMost, kMost) * 1'000'000;
    }
    if (read_.request.has_tail_lines()) {
      query.tail_lines = static_cast<std::uint64_t>(std::max<std::int64_t>(0, read_.request.tail_lines()));
    }
    for (const LogSource& source : read_.sources) {
      auto reader = JsonLogReader::open(source.path, query);
      if (!reader) return reader.error();
      taps_.push_back(Tap{source.container, std::move(*reader)});
    }
    return {};
  }

  // Sends all that is there now, by time. False: the sink or the caller wants no more.
  sdk::Result<bool> drain() {
    for (;;) {
      Tap* next = nullptr;
      for (Tap& tap : taps_) {
        if (auto filled = fill(tap); !filled) return filled.error();
        if (tap.ahead.empty()) continue;
        if (next == nullptr || tap.ahead.front().time_ns < next->ahead.front().time_ns) next = &tap;
      }
      if (next == nullptr) return true;
      if (read_.cancel.stop_requested()) return false;
      LogRecord line = std::move(next->ahead.front());
      next->ahead.pop_front();
      ++sent_;
      if (!read_.sink(record_of(next->container, std::move(line)))) return false;
    }
  }

  [[nodiscard]] bool ended() const {
    return std::all_of(taps_.begin(), taps_.end(), [](const Tap& tap) { return tap.ended; });
  }
  [[nodiscard]] std::uint64_t sent() const { return sent_; }

  // Blocks until a log grew or `wake` was written.
  void wait(int wake) {
    std::vector<pollfd> fds{{wake, POLLIN, 0}};
    for (Tap& tap : taps_) {
      if (!tap.ended) fds.push_back({tap.reader.fd(), POLLIN, 0});
    }
    ::poll(fds.data(), fds.size(), -1);
    std::uint64_t count = 0;
    if (fds[0].revents != 0) [[maybe_unused]] const auto taken = ::read(wake, &count, sizeof count);
  }

 private:
  sdk::Result<void> fill(Tap& tap) {
    if (!tap.ahead.empty() || tap.ended) return {};
    // Asked first: what was written before the container's end is then read for sure.
    const bool live = read_.request.follow() && read_.is_live(tap.container);
    auto lines = tap.reader.read();
    if (!lines) return lines.error();
    for (LogRecord& line : *lines) tap.ahead.push_back(std::move(line));
    if (tap.ahead.empty() && !live) tap.ended = true;
    return {};
  }

  const LogRead& read_;
  std::vector<Tap> taps_;
  std::uint64_t sent_ = 0;
};

}  // namespace

int LogWakes::add(const std::string& task_id) {
  const std::lock_guard lock(mutex_);
  if (closed_ || fds_.size() >= most_) return -1;
  const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd >= 0) fds_.emplace(task_id, fd);
  return fd;
}

void LogWakes::remove(const std::string& task_id, int fd) {
  const std::lock_guard lock(mutex_);
  const auto [first, last] = fds_.equal_range(task_id);
  const auto found = std::find_if(first, last, [fd](const auto& entry) { return entry.second == fd; });
  if (found == last) return;
  fds_.erase(found);
  ::close(fd);
}

void LogWakes::moved(const std::string& task_id) {
  const std::lock_guard lock(mutex_);
  const auto [first, last] = fds_.equal_range(task_id);
  std::for_each(first, last, [](const auto& entry) { write_event(entry.second); });
}

void LogWakes::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (const auto& [task_id, fd] : fds_) write_event(fd);
}

bool LogWakes::is_closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

sdk::Result<std::uint64_t> read_logs(const LogRead& read, LogWakes& wakes) {
  const std::string& task_id = read.request.task_id();
  int wake = -1;
  if (read.request.follow()) {
    wake = wakes.add(task_id);
    if (wake < 0) return sdk::fail(BERTH_UNAVAILABLE, "Too many follow logs on this host now");
  }
  const std::stop_callback on_cancel(read.cancel, [wake] {
    if (wake >= 0) write_event(wake);
  });
  Merge merge(read);
  sdk::Result<void> result = merge.open();
  while (result) {
    auto more = merge.drain();
    if (!more) {
      result = more.error();
      break;
    }
    if (!*more || merge.ended() || !read.request.follow() || read.cancel.stop_requested() || wakes.is_closed()) break;
    merge.wait(wake);
  }
  if (wake >= 0) wakes.remove(task_id, wake);
  if (!result) return result.error();
  return merge.sent();
}

}  // namespace berth::runtime
