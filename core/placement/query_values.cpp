// SPDX-License-Identifier: Apache-2.0
#include "core/placement/query_values.hpp"

#include <charconv>
#include <chrono>
#include <system_error>

#include "core/placement/query_tree.hpp"

namespace berth::placement {
namespace {

// Reads fixed fields from the front of a text.
class Fields {
 public:
  explicit Fields(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool done() const { return rest_.empty(); }
  bool accept(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  // Exactly `digits` digits, or nothing.
  std::optional<int> number(std::size_t digits) {
    if (rest_.size() < digits) return std::nullopt;
    int out = 0;
    for (const char c : rest_.substr(0, digits)) {
      if (c < '0' || c > '9') return std::nullopt;
      out = out * 10 + (c - '0');
    }
    rest_.remove_prefix(digits);
    return out;
  }
  // Digits after the point, as milliseconds; further ones are dropped.
  std::optional<int> fraction_ms() {
    int out = 0;
    int scale = 100;
    std::size_t digits = 0;
    for (; !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9'; ++digits) {
      out += (rest_.front() - '0') * scale;
      scale /= 10;
      rest_.remove_prefix(1);
    }
    return digits == 0 ? std::nullopt : std::optional<int>(out);
  }

 private:
  std::string_view rest_;
};

// hh:mm with each part below its limit.
std::optional<int> minutes_of(Fields& in) {
  const auto hour = in.number(2);
  if (!hour || *hour > 23 || !in.accept(':')) return std::nullopt;
  const auto minute = in.number(2);
  if (!minute || *minute > 59) return std::nullopt;
  return *hour * 60 + *minute;
}

}  // namespace

std::optional<Version> parse_version(std::string_view text) {
  if (text.starts_with('v')) text.remove_prefix(1);
  Version out;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    std::uint64_t part = 0;
    const auto [next, error] = std::from_chars(at, end, part);
    if (error != std::errc{}) return std::nullopt;
    out.push_back(part);
    if (next == end) return out;
    if (*next != '.') return std::nullopt;
    at = next + 1;
  }
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t out = 0;
  const char* const end = text.data() + text.size();
  const auto [next, error] = std::from_chars(text.data(), end, out);
  if (error != std::errc{} || next != end) return std::nullopt;
  return out;
}

std::optional<std::int64_t> parse_instant_ms(std::string_view text) {
  namespace chrono = std::chrono;
  Fields in(text);
  const auto year = in.number(4);
  if (!year || !in.accept('-')) return std::nullopt;
  const auto month = in.number(2);
  if (!month || !in.accept('-')) return std::nullopt;
  const auto day = in.number(2);
  if (!day) return std::nullopt;
  const chrono::year_month_day date{chrono::year(*year),
                                    chrono::month(static_cast<unsigned>(*month)),
                                    chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  std::int64_t ms =
      chrono::duration_cast<chrono::milliseconds>(chrono::sys_days(date).time_since_epoch())
          .count();
  if (in.done()) return ms;

  if (!in.accept('T')) return std::nullopt;
  const auto minutes = minutes_of(in);
  if (!minutes || !in.accept(':')) return std::nullopt;
  const auto second = in.number(2);
  if (!second || *second > 60) return std::nullopt;
  ms += (std::int64_t{*minutes} * 60 + *second) * 1000;
  if (in.accept('.')) {
    const auto fraction = in.fraction_ms();
    if (!fraction) return std::nullopt;
    ms += *fraction;
  }
  if (in.done() || (in.accept('Z') && in.done())) return ms;
  const bool west = in.accept('-');
  if (!west && !in.accept('+')) return std::nullopt;
  const auto offset = minutes_of(in);
  if (!offset || !in.done()) return std::nullopt;
  return ms + std::int64_t{*offset} * 60'000 * (west ? 1 : -1);
}

}  // namespace berth::placement
