// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/logship/shipped_log.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "sdk/runtime/failpoint.hpp"
#include "sdk/runtime/monitor/file_identity.hpp"

namespace berth::runtime {
namespace {

constexpr std::size_t kMostEvents = 10'000;
constexpr std::size_t kMostBytes = 1 << 20;
constexpr int kSendsAtATime = 16;
constexpr std::chrono::milliseconds kMostPause{60'000};
// So long the beginning of an event waits for lines that may belong to it, as Docker's does.
constexpr std::chrono::milliseconds kHold{5'000};

bool is_power_of_two(unsigned n) { return (n & (n - 1)) == 0; }

}  // namespace

ShippedLog::ShippedLog(std::filesystem::path log, std::unique_ptr<LogSink> sink)
    : log_(std::move(log)),
      cursor_(log_.parent_path() / LogForwarder::kCursor),
      sink_(std::move(sink)),
      position_(state::read_position(cursor_)),
      read_to_(position_),
      assembler_(sink_->assembler()) {}

// Until there is nothing more, or enough to send.
sdk::Result<void> ShippedLog::read() {
  seen_ = state::facts_of(log_.string());
  if (!reader_) {
    auto opened = JsonLogReader::open(log_, {.from = read_to_});
    if (!opened) return opened.error();
    reader_.emplace(std::move(*opened));
  }
  drained_ = false;
  while (events_.size() < kMostEvents && bytes_ < kMostBytes) {
    const LogPosition before = reader_->position().value_or(LogPosition{});
    auto records = reader_->read(1);
    if (!records) return records.error();
    if (records->empty()) {
      drained_ = true;
      return {};
    }
    held_since_ = Clock::now();
    bytes_ += records->front().data.size() + 64;
    assembler_.take(std::move(records->front()), before, reader_->position().value_or(before), events_);
  }
  return {};
}

bool ShippedLog::send(std::stop_token cancel) {
  BERTH_FAILPOINT("logship.before_send");
  auto sent = sink_->send(events_, cancel);
  BERTH_FAILPOINT("logship.after_send");
  if (!sent) {
    if (sent.error().status != BERTH_CANCELLED) failed(sent.error());
    return false;
  }
  const std::size_t count = std::min(std::max<std::size_t>(sent->events, 1), events_.size());
  position_ = events_[count - 1].safe;
  // Where the disk is full the cursor stays behind: after a restart some is sent again.
  if (!state::write_position(cursor_, *position_)) spdlog::warn("logs: {} cannot be written", cursor_.string());
  BERTH_FAILPOINT("logship.after_cursor");
  if (failures_ > 0) spdlog::info("logs: {} is being sent again", log_.parent_path().string());
  if (sent->refused > 0) {
    spdlog::warn("logs: the receiver of {} refused {} events", log_.parent_path().string(), sent->refused);
  }
  failures_ = 0;
  counts_.sent += count - std::min(sent->refused, count);
  counts_.refused += sent->refused;
  events_.erase(events_.begin(), events_.begin() + static_cast<std::ptrdiff_t>(count));
  bytes_ = 0;
  for (const LogEvent& event : events_) bytes_ += event.text.size() + 64;
  return true;
}

// It holds descriptors, so that files would stay that are to make room.
void ShippedLog::close_reader() {
  if (reader_) read_to_ = reader_->position();
  reader_.reset();
}

// Everything that was read is sent, so what is behind it in the file is damaged, or another file.
void ShippedLog::move_on() {
  if (read_to_ == position_ || !read_to_) return;
  position_ = read_to_;
  (void)state::write_position(cursor_, *position_);
}

void ShippedLog::failed(const sdk::Error& error) {
  close_reader();
  ++failures_;
  ++counts_.failures;
  // 1, 2, 4, 8 ... of the same failure are told.
  if (is_power_of_two(failures_)) spdlog::warn("logs: {} is not sent: {}", log_.parent_path().string(), error.message);
  pause_ = std::min(kMostPause, sink_->retry_wait() * (1U << std::min(failures_ - 1, 10U)));
}

void ShippedLog::note_lost() {
  const auto lines = state::read_lines(log_.string() + ".dropped");
  if (!lines) return;
  const auto lost = static_cast<std::uint64_t>(lines->number("records"));
  if (lost > counts_.lost) spdlog::warn("logs: {} lost {} records for want of space", log_.parent_path().string(), lost);
  counts_.lost = lost;
}

ShippedLog::Next ShippedLog::pump(bool ended, std::stop_token cancel) {
  for (int round = 0; round < kSendsAtATime; ++round) {
    if (auto got = read(); !got) {
      failed(got.error());
      return Next::Later;
    }
    if (drained_ && assembler_.holds_something()) {
      const auto held = Clock::now() - held_since_;
      if (ended || held >= kHold) {
        assembler_.flush(events_);
      } else if (events_.empty()) {
        pause_ = std::chrono::ceil<std::chrono::milliseconds>(kHold - held);
        return Next::Later;
      }
    }
    if (!events_.empty() && !send(cancel)) return Next::Later;
    if (drained_ && events_.empty() && !assembler_.holds_something()) {
      note_lost();
      close_reader();
      move_on();
      events_ = {};
      return ended ? Next::Done : Next::Drained;
    }
  }
  return Next::More;
}

}  // namespace berth::runtime
