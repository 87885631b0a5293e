// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/logship/log_event.hpp"

#include <utility>

namespace berth::runtime {

LogPosition EventAssembler::safe() const {
  const Open* first = nullptr;
  for (const Open& open : open_) {
    if (open.used && (first == nullptr || open.order < first->order)) first = &open;
  }
  return first != nullptr ? first->before : after_;
}

void EventAssembler::emit(Open& open, std::vector<LogEvent>& out) {
  open.used = false;
  open.event.safe = safe();
  out.push_back(std::exchange(open.event, {}));
}

void EventAssembler::take(LogRecord record, const LogPosition& before, const LogPosition& after,
                          std::vector<LogEvent>& out) {
  Open& open = open_[record.stream == LogStream::Stderr ? 1 : 0];
  const bool continues_line = open.used && open.in_line;
  // Only the beginning of a line is held against the pattern; a line that is longer than a record goes on as it began.
  const bool continues = continues_line || (open.used && begins_ && !begins_(record.data));
  const bool fits = open.used && open.event.text.size() + record.data.size() + 1 <= max_bytes_;
  if (open.used && !(continues && fits)) {
    // It ends where this record begins.
    const LogPosition kept = std::exchange(after_, before);
    emit(open, out);
    after_ = kept;
  }
  after_ = after;
  if (!open.used) {
    open.used = true;
    open.event = {record.time_ns, record.stream, {}, {}};
    open.before = before;
    open.order = ++count_;
    open.event.text = std::move(record.data);
  } else {
    if (!continues_line) open.event.text += '\n';
    open.event.text += record.data;
  }
  open.in_line = record.partial;
  // Where each line is an event there is nothing to wait for.
  if (!begins_ && !record.partial) emit(open, out);
}

void EventAssembler::flush(std::vector<LogEvent>& out) {
  // The older first, so that the one that stays open holds the position back.
  Open* first = &open_[0];
  Open* second = &open_[1];
  if (second->used && (!first->used || second->order < first->order)) std::swap(first, second);
  if (first->used) emit(*first, out);
  if (second->used) emit(*second, out);
}

}  // namespace berth::runtime
