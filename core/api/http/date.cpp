// SPDX-License-Identifier: Apache-2.0
#include "core/api/http/date.hpp"

#include <cstdio>

namespace berth::api::http {

std::string http_date(Instant at) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const auto second = std::chrono::duration_cast<std::chrono::seconds>(at - day).count();
  char text[64];
  std::snprintf(text, sizeof text, "%s, %02u %s %04d %02d:%02d:%02d GMT",
                kDays[std::chrono::weekday(day).c_encoding()], unsigned(date.day()),
                kMonths[unsigned(date.month()) - 1], int(date.year()), int(second / 3600),
                int(second / 60 % 60), int(second % 60));
  return text;
}

}  // namespace berth::api::http
