// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/log/log_line.hpp"

#include <boost/json.hpp>
#include <charconv>
#include <ctime>

namespace berth::runtime {
namespace {

// `digits` decimal digits at the front, taken off.
std::optional<int> take_number(std::string_view& text, std::size_t digits) {
  int value = 0;
  if (text.size() < digits) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, value);
  if (error != std::errc() || end != text.data() + digits || value < 0) return std::nullopt;
  text.remove_prefix(digits);
  return value;
}

bool take_char(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<std::int64_t> take_fraction(std::string_view& text) {
  if (!take_char(text, '.')) return 0;
  std::int64_t nanos = 0;
  std::size_t digits = 0;
  for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
    if (digits < 9) nanos = nanos * 10 + (text[digits] - '0');
  }
  if (digits == 0) return std::nullopt;
  for (std::size_t n = digits; n < 9; ++n) nanos *= 10;
  text.remove_prefix(digits);
  return nanos;
}

std::optional<std::int64_t> take_offset_seconds(std::string_view& text) {
  if (take_char(text, 'Z') || take_char(text, 'z')) return 0;
  const int sign = take_char(text, '+') ? 1 : take_char(text, '-') ? -1 : 0;
  const auto hours = take_number(text, 2);
  if (sign == 0 || !hours || !take_char(text, ':')) return std::nullopt;
  const auto minutes = take_number(text, 2);
  if (!minutes) return std::nullopt;
  return std::int64_t{sign} * (*hours * 3600 + *minutes * 60);
}

}  // namespace

std::optional<std::int64_t> parse_rfc3339(std::string_view text) {
  std::tm tm{};
  int* const fields[] = {&tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec};
  constexpr char kAfter[] = {'-', '-', 'T', ':', ':', '\0'};
  for (std::size_t i = 0; i < 6; ++i) {
    const auto value = take_number(text, i == 0 ? 4 : 2);
    if (!value || (kAfter[i] != '\0' && !take_char(text, kAfter[i]))) return std::nullopt;
    *fields[i] = *value;
  }
  tm.tm_year -= 1900;
  tm.tm_mon -= 1;
  const auto nanos = take_fraction(text);
  const auto offset = take_offset_seconds(text);
  if (!nanos || !offset || !text.empty()) return std::nullopt;
  return (std::int64_t{::timegm(&tm)} - *offset) * 1'000'000'000 + *nanos;
}

std::optional<LogRecord> parse_log_line(std::string_view line) {
  boost::system::error_code error;
  const auto value = boost::json::parse({line.data(), line.size()}, error);
  const auto* object = error ? nullptr : value.if_object();
  if (!object) return std::nullopt;
  const auto text = [object](const char* key) -> std::optional<std::string_view> {
    const auto* member = object->if_contains(key);
    if (!member || !member->is_string()) return std::nullopt;
    return std::string_view(member->as_string().data(), member->as_string().size());
  };
  auto log = text("log");
  const auto stream = text("stream");
  const auto time = text("time");
  const auto time_ns = time ? parse_rfc3339(*time) : std::nullopt;
  if (!log || !stream || !time_ns) return std::nullopt;
  LogRecord record;
  record.time_ns = *time_ns;
  record.stream = *stream == "stderr" ? LogStream::Stderr : LogStream::Stdout;
  record.partial = !log->ends_with('\n');
  if (!record.partial) log->remove_suffix(1);
  record.data = *log;
  return record;
}

bool ends_output_line(std::string_view line) {
  const auto end = line.rfind("\",\"stream\":");
  if (end == std::string_view::npos || end < 2 || line[end - 1] != 'n') return false;
  // "\n" is an escape only behind an odd number of backslashes.
  std::size_t slashes = 0;
  while (slashes + 1 < end && line[end - 2 - slashes] == '\\') ++slashes;
  return slashes % 2 == 1;
}

}  // namespace berth::runtime
