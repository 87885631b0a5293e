// SPDX-License-Identifier: Apache-2.0
#include "core/cli/since.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>

namespace berth::cli {
namespace {

using std::chrono::sys_seconds;

bool is_digits(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

std::optional<int> number(const std::string& text, std::size_t at, std::size_t count) {
  const std::string digits = at < text.size() ? text.substr(at, count) : "";
  if (digits.size() != count || !is_digits(digits)) return std::nullopt;
  return std::stoi(digits);
}

// "Z" or "+02:00", in seconds.
std::optional<int> offset(const std::string& text) {
  if (text == "Z" || text == "z") return 0;
  const auto hours = number(text, 1, 2);
  const auto minutes = number(text, 4, 2);
  const bool shaped = text.size() == 6 && (text[0] == '+' || text[0] == '-') && text[3] == ':';
  if (!shaped || !hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  return (text[0] == '-' ? -1 : 1) * (*hours * 3600 + *minutes * 60);
}

// "2026-11-23T10:00:00Z", with a fraction or another zone where given.
std::optional<std::string> read_time(const std::string& text) {
  const auto year = number(text, 0, 4), month = number(text, 5, 2), day = number(text, 8, 2);
  const auto hour = number(text, 11, 2), minute = number(text, 14, 2), second = number(text, 17, 2);
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  const bool shaped = text[4] == '-' && text[7] == '-' && (text[10] == 'T' || text[10] == 't' || text[10] == ' ') &&
                      text[13] == ':' && text[16] == ':';
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!shaped || !date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  std::string zone = text.substr(19);
  std::string fraction;
  if (zone.starts_with('.')) {
    const std::size_t end = std::min(zone.find_first_not_of("0123456789", 1), zone.size());
    fraction = zone.substr(0, end);
    zone.erase(0, end);
    if (fraction.size() < 2 || fraction.size() > 10) return std::nullopt;
  }
  const auto east = offset(zone);
  if (!east) return std::nullopt;
  const sys_seconds at = std::chrono::sys_days(date) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
                         std::chrono::seconds(*second - *east);
  return std::to_string(at.time_since_epoch().count()) + fraction;
}

// "10m"; nothing where the number is beyond all clocks.
std::optional<std::string> read_span(const std::string& text, sys_seconds now) {
  constexpr std::int64_t kSeconds[] = {1, 60, 3600, 86400};
  const std::size_t unit = std::string("smhd").find(text.back());
  const std::string digits = text.substr(0, text.size() - 1);
  std::int64_t count = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), count);
  constexpr std::int64_t kMost = 1'000'000;  // days, and more than that of all others
  if (unit == std::string::npos || !is_digits(digits) || read.ec != std::errc()) return std::nullopt;
  if (count > kMost * (kSeconds[3] / kSeconds[unit])) return std::nullopt;
  return std::to_string(now.time_since_epoch().count() - count * kSeconds[unit]);
}

}  // namespace

Result<std::string> seconds_since_epoch(const std::string& text, sys_seconds now) {
  if (is_digits(text) && text.size() <= 11) return text;
  if (text.size() >= 2) {
    if (auto span = read_span(text, now)) return *span;
  }
  if (auto time = read_time(text)) return *time;
  return fail(Errc::Invalid, "--since " + text + ": want 90s, 10m, 2h, 1d, or a time such as 2026-11-23T10:00:00Z");
}

}  // namespace berth::cli
