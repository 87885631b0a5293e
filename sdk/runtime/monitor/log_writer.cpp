// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/monitor/log_writer.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>

#include "sdk/runtime/monitor/file_identity.hpp"
#include "sdk/runtime/monitor/state_files.hpp"

namespace berth::runtime::monitor {
namespace {

constexpr std::size_t kFlushAt = 256 * 1024;

unsigned char byte(std::string_view text, std::size_t at) {
  return static_cast<unsigned char>(text[at]);
}

// Length of the well-formed UTF-8 character at `at`; 0 where there is none.
std::size_t character(std::string_view text, std::size_t at) {
  const unsigned char first = byte(text, at);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || at + length > text.size()) return 0;
  const unsigned char second = byte(text, at + 1);
  // Overlong forms, surrogates and what lies beyond U+10FFFF.
  if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
      (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F)) {
    return 0;
  }
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(text, at + i) & 0xC0) != 0x80) return 0;
  }
  return length;
}

// Where to cut a line that is longer than a record: not inside a character.
std::size_t cut(std::string_view line) {
  std::size_t at = LogWriter::kMaxLine;
  while (at > LogWriter::kMaxLine - 4 && (byte(line, at) & 0xC0) == 0x80) --at;
  return (byte(line, at) & 0xC0) == 0x80 ? LogWriter::kMaxLine : at;
}

}  // namespace

std::string rfc3339_nano(std::int64_t time_ns) {
  const std::time_t seconds = time_ns / 1'000'000'000;
  std::tm tm{};
  ::gmtime_r(&seconds, &tm);
  char text[64];
  const int n = std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%09dZ",
                              tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                              tm.tm_sec, static_cast<int>(time_ns % 1'000'000'000));
  return {text, static_cast<std::size_t>(n)};
}

void append_json_string(std::string& out, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  out.push_back('"');
  for (std::size_t at = 0; at < text.size();) {
    const unsigned char c = byte(text, at);
    if (c >= 0x80) {
      const std::size_t length = character(text, at);
      out.append(length ? text.substr(at, length) : std::string_view("\xEF\xBF\xBD"));
      at += length ? length : 1;
      continue;
    }
    ++at;
    switch (c) {
      case '"':
        out.append("\\\"");
        break;
      case '\\':
        out.append("\\\\");
        break;
      case '\n':
        out.append("\\n");
        break;
      case '\r':
        out.append("\\r");
        break;
      case '\t':
        out.append("\\t");
        break;
      default:
        if (c >= 0x20 && c != 0x7F) {
          out.push_back(static_cast<char>(c));
        } else {
          out.append("\\u00").append(1, kHex[c >> 4]).append(1, kHex[c & 15]);
        }
    }
  }
  out.push_back('"');
}

LogWriter::LogWriter(LogWriterOptions options) : options_(std::move(options)) {
  open();
}

LogWriter::~LogWriter() {
  flush();
  if (fd_ >= 0) ::close(fd_);
}

void LogWriter::open() {
  if (options_.path.empty()) return;
  fd_ = ::open(options_.path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  struct stat info {};
  size_ = fd_ >= 0 && ::fstat(fd_, &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
}

void LogWriter::write(Stream stream, std::string_view output, std::int64_t now_ns) {
  if (options_.path.empty()) return;
  std::string& carry = carry_[static_cast<int>(stream)];
  while (!output.empty()) {
    const auto end = output.find('\n');
    const auto take = end == std::string_view::npos ? output.size() : end + 1;
    if (carry.empty() && end != std::string_view::npos && take <= kMaxLine) {
      record(stream, output.substr(0, take), now_ns);  // the common case: a whole line, not copied
      output.remove_prefix(take);
      continue;
    }
    // One more than a record holds, to see whether the cut would fall into a character.
    const auto room = kMaxLine + 1 - carry.size();
    const auto part = output.substr(0, take < room ? take : room);
    carry.append(part);
    output.remove_prefix(part.size());
    if (carry.size() <= kMaxLine) {
      if (carry.back() == '\n') {
        record(stream, carry, now_ns);
        carry.clear();
      }
      continue;
    }
    const auto at = cut(carry);
    record(stream, std::string_view(carry).substr(0, at), now_ns);
    carry.erase(0, at);
    if (carry.back() == '\n') {
      record(stream, carry, now_ns);
      carry.clear();
    }
  }
  flush();
}

void LogWriter::finish(std::int64_t now_ns) {
  for (const Stream stream : {Stream::Stdout, Stream::Stderr}) {
    std::string& carry = carry_[static_cast<int>(stream)];
    if (!carry.empty()) record(stream, carry, now_ns);
    carry.clear();
  }
  flush();
}

void LogWriter::record(Stream stream, std::string_view line, std::int64_t now_ns) {
  const auto before = pending_.size();
  pending_.append("{\"log\":");
  append_json_string(pending_, line);
  pending_.append(stream == Stream::Stdout ? ",\"stream\":\"stdout\"" : ",\"stream\":\"stderr\"");
  pending_.append(",\"time\":\"").append(rfc3339_nano(now_ns)).append("\"}\n");
  if (options_.max_bytes > 0 && size_ + pending_.size() > options_.max_bytes &&
      size_ + before > 0 && may_rotate()) {
    const std::string latest = pending_.substr(before);
    pending_.resize(before);
    flush();
    rotate();
    pending_ = latest;
  }
  if (pending_.size() >= kFlushAt) flush();
}

void LogWriter::flush() {
  if (pending_.empty()) return;
  if (fd_ < 0) open();
  if (fd_ >= 0) {
    if (state::write_all(fd_, pending_)) {
      size_ += pending_.size();
    } else {
      // Whatever part of a record reached the disk is cut off again, so that the next one is
      // readable.
      [[maybe_unused]] const int cut_off = ::ftruncate(fd_, static_cast<off_t>(size_));
    }
  }
  pending_.clear();
}

std::string LogWriter::name(std::uint32_t number) const {
  return number == 0 ? options_.path : options_.path + "." + std::to_string(number);
}

// How much of the oldest file its reader has not taken.
std::uint64_t LogWriter::unread_in_oldest() const {
  const auto oldest = state::facts_of(name(options_.max_files - 1));
  if (!oldest) return 0;
  const auto cursor = state::read_position(options_.cursor);
  if (!cursor) return oldest->size;
  if (cursor->file == oldest->identity) return oldest->size - (cursor->offset < oldest->size ? cursor->offset : oldest->size);
  for (std::uint32_t n = 0; n + 1 < options_.max_files; ++n) {
    const auto newer = state::facts_of(name(n));
    if (newer && newer->identity == cursor->file) return 0;
  }
  return oldest->size;  // it stands in a file that is gone already
}

bool LogWriter::may_rotate() const {
  return !options_.wait_for_reader || unread_in_oldest() == 0;
}

bool LogWriter::full() const {
  return options_.wait_for_reader && options_.max_bytes > 0 && size_ >= options_.max_bytes && !may_rotate();
}

// Before the oldest file goes. Counts lines, which are records.
void LogWriter::count_dropped() const {
  const std::uint64_t unread = unread_in_oldest();
  if (unread == 0) return;
  const std::string oldest = name(options_.max_files - 1);
  const int fd = ::open(oldest.c_str(), O_RDONLY | O_CLOEXEC);
  const auto facts = fd >= 0 ? state::facts_of(fd) : std::nullopt;
  std::int64_t count = 0;
  char buffer[16 * 1024];
  if (facts) ::lseek(fd, static_cast<off_t>(facts->size - unread), SEEK_SET);
  for (ssize_t n = 0; facts && (n = ::read(fd, buffer, sizeof buffer)) > 0;) {
    for (ssize_t i = 0; i < n; ++i) count += buffer[i] == '\n';
  }
  if (fd >= 0) ::close(fd);
  const std::string file = options_.path + ".dropped";
  const auto before = state::read_lines(file);
  state::Lines lines;
  lines.add("records", (before ? before->number("records") : 0) + count);
  state::write_file(file, lines.print());
}

void LogWriter::rotate() {
  if (fd_ >= 0) ::close(fd_);
  if (!options_.cursor.empty() && !options_.wait_for_reader) count_dropped();
  if (options_.max_files <= 1) {
    // A new file rather than a truncated one: who reads the old one still gets all of it.
    ::unlink(options_.path.c_str());
  } else {
    for (std::uint32_t n = options_.max_files - 1; n > 1; --n) {
      ::rename(name(n - 1).c_str(), name(n).c_str());
    }
    ::rename(options_.path.c_str(), name(1).c_str());
  }
  open();
}

}  // namespace berth::runtime::monitor
