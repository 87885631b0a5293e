// SPDX-License-Identifier: Apache-2.0
// What the kernel's counter files say. Lines that are not as expected count nothing.
#include <algorithm>
#include <charconv>

#include "sdk/runtime/cgroup/task_cgroup.hpp"

namespace berth::runtime {
namespace {

// The next piece up to `separator`, taken off the front; runs of blanks count as one.
std::string_view next(std::string_view& rest, char separator) {
  if (separator == ' ') rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  const auto end = rest.find(separator);
  const auto piece = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return piece;
}

std::uint64_t number_of(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

MemoryStat parse_memory_stat(std::string_view text) {
  MemoryStat out;
  while (!text.empty()) {
    std::string_view line = next(text, '\n');
    const std::string_view name = next(line, ' ');
    if (!name.empty() && !line.empty()) out.emplace_back(name, number_of(line));
  }
  return out;
}

IoBytes parse_io_stat(std::string_view text) {
  IoBytes sum;
  while (!text.empty()) {
    std::string_view line = next(text, '\n');
    while (!line.empty()) {
      const std::string_view word = next(line, ' ');
      if (word.starts_with("rbytes=")) sum.read += number_of(word.substr(7));
      if (word.starts_with("wbytes=")) sum.written += number_of(word.substr(7));
    }
  }
  return sum;
}

IoBytes parse_io_service_bytes(std::string_view text) {
  IoBytes sum;
  while (!text.empty()) {
    std::string_view line = next(text, '\n');
    next(line, ' ');  // the device; "Total" of the last line has no third word
    const std::string_view kind = next(line, ' ');
    if (kind == "Read") sum.read += number_of(line);
    if (kind == "Write") sum.written += number_of(line);
  }
  return sum;
}

NetBytes parse_net_dev(std::string_view text) {
  NetBytes sum;
  while (!text.empty()) {
    std::string_view line = next(text, '\n');
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) continue;  // the two heading lines
    std::string_view name = line.substr(0, colon);
    name = next(name, ' ');
    if (name == "lo") continue;
    line.remove_prefix(colon + 1);
    for (int column = 0; column < 9; ++column) {
      const std::string_view word = next(line, ' ');
      if (column == 0) sum.received += number_of(word);
      if (column == 8) sum.sent += number_of(word);
    }
  }
  return sum;
}

}  // namespace berth::runtime
