// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/log/log_options.hpp"

#include <algorithm>
#include <array>
#include <boost/regex.hpp>
#include <cctype>
#include <charconv>
#include <functional>
#include <utility>

namespace berth::runtime {
namespace {

using sdk::Result;

constexpr std::uint64_t kSpoolBytes = std::uint64_t{20} << 20;        // of a log whose program waits
constexpr std::uint64_t kBufferBytes = std::uint64_t{10} << 20;       // max-buffer-size by default
constexpr std::uint64_t kLeastBuffer = 64 * 1024;
constexpr std::uint32_t kSpoolFiles = 4;

sdk::Error wrong(const std::string& name, const std::string& message) {
  return sdk::fail(BERTH_INVALID, message, "options[" + name + "]");
}

// How one option is read; the text is what is wrong with it, or empty.
using Reader = std::function<std::string(const std::string&)>;
using Readers = std::map<std::string, Reader>;

Reader text_into(std::string& out) {
  return [&out](const std::string& value) -> std::string {
    if (value.empty()) return "is empty";
    out = value;
    return {};
  };
}

Reader flag_into(bool& out) {
  return [&out](const std::string& value) -> std::string {
    if (value != "true" && value != "false") return "is neither true nor false";
    out = value == "true";
    return {};
  };
}

constexpr std::pair<std::string_view, std::string_view (*)(const LogNames&)> kTagWords[] = {
    {"{{.ID}}", [](const LogNames& n) { return std::string_view(n.id); }},
    {"{{.FullID}}", [](const LogNames& n) { return std::string_view(n.full_id); }},
    {"{{.Name}}", [](const LogNames& n) { return std::string_view(n.name); }},
    {"{{.ImageName}}", [](const LogNames& n) { return std::string_view(n.image); }},
    {"{{.ImageID}}", [](const LogNames& n) { return std::string_view(n.image_id).substr(0, 12); }},
    {"{{.ImageFullID}}", [](const LogNames& n) { return std::string_view(n.image_id); }},
    {"{{.DaemonName}}", [](const LogNames&) { return std::string_view("berth"); }},
};

Reader tag_into(std::string& out) {
  return [&out](const std::string& value) -> std::string {
    std::string rest = fill_tag(value, {});
    if (rest.find("{{") != std::string::npos) {
      return "has a word in braces that is none of ID, FullID, Name, ImageName, ImageID, ImageFullID, DaemonName";
    }
    out = value;
    return {};
  };
}

bool read_port(std::string_view text, std::uint16_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size() && out != 0;
}

// "SCHEME://REST", or REST alone.
std::string read_address(std::string_view text, std::uint16_t default_port, bool is_syslog, LogAddress& out) {
  const auto colons = text.find("://");
  const std::string_view scheme = colons == std::string_view::npos ? "tcp" : text.substr(0, colons);
  if (colons != std::string_view::npos) text.remove_prefix(colons + 3);
  if (scheme == "unix" || (scheme == "unixgram" && is_syslog)) {
    if (!text.starts_with('/') || text.size() > 107) return "needs an absolute path of at most 107 bytes";
    out = {scheme == "unix" ? LogAddress::Kind::Unix : LogAddress::Kind::UnixDatagram, std::string(text), 0};
    return {};
  }
  if (scheme != "tcp" && !(scheme == "udp" && is_syslog)) return "has a scheme that is not acted on: " + std::string(scheme);
  out.kind = scheme == "udp" ? LogAddress::Kind::Udp : LogAddress::Kind::Tcp;
  out.port = default_port;
  std::string_view host = text;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return "has an address without its ]";
    host = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
  } else {
    host = text.substr(0, text.find(':'));
    text.remove_prefix(host.size());
  }
  if (host.empty()) return "names no host";
  if (!text.empty() && (!text.starts_with(':') || !read_port(text.substr(1), out.port))) return "has no port from 1 to 65535";
  out.host = host;
  return {};
}

// Reads every option that the driver has, and those common to all that are shipped.
Result<void> read_all(std::string_view driver, const LogOptions& options, const Readers& readers) {
  for (const auto& [name, value] : options) {
    const auto reader = readers.find(name);
    if (reader == readers.end()) {
      return sdk::fail(BERTH_UNIMPLEMENTED,
                       "The log driver " + std::string(driver) + " does not act on the option " + name + ".",
                       "options[" + name + "]");
    }
    if (const std::string problem = reader->second(value); !problem.empty()) {
      return wrong(name, "The value of " + name + ", '" + value + "', " + problem + ".");
    }
  }
  return {};
}

Result<void> read_shipped(std::string_view driver, const LogOptions& options, Readers readers, LogPlan& plan) {
  std::uint64_t buffer = kBufferBytes;
  readers["mode"] = [&plan](const std::string& value) -> std::string {
    if (value != "blocking" && value != "non-blocking") return "is neither blocking nor non-blocking";
    plan.blocking = value == "blocking";
    return {};
  };
  readers["max-buffer-size"] = [&buffer](const std::string& value) -> std::string {
    const auto size = read_byte_size(value);
    if (!size || *size < kLeastBuffer) return "is no size of 64k or more";
    buffer = *size;
    return {};
  };
  if (auto read = read_all(driver, options, readers); !read) return read;
  if (options.contains("max-buffer-size") && plan.blocking) {
    return wrong("max-buffer-size", "max-buffer-size is of the mode non-blocking, the default.");
  }
  plan.max_files = kSpoolFiles;
  plan.max_bytes = (plan.blocking ? kSpoolBytes : buffer) / kSpoolFiles;
  return {};
}

Result<LogPlan> read_json_file(const LogOptions& options) {
  LogPlan plan;
  Readers readers;
  readers["max-size"] = [&plan](const std::string& value) -> std::string {
    const auto size = read_byte_size(value);
    if (!size || *size == 0) return "is not a size; write \"10m\"";
    plan.max_bytes = *size;
    return {};
  };
  readers["max-file"] = [&plan](const std::string& value) -> std::string {
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), plan.max_files);
    const bool fine = error == std::errc{} && end == value.data() + value.size() && plan.max_files >= 1 && plan.max_files <= 1000;
    return fine ? "" : "is not a number of files from 1 to 1000";
  };
  // A file on this host is written at once and never waited for: both words promise no less than that.
  readers["mode"] = [](const std::string& value) -> std::string {
    return value == "blocking" || value == "non-blocking" ? "" : "is neither blocking nor non-blocking";
  };
  if (auto read = read_all("json-file", options, readers); !read) return read.error();
  if (plan.max_files > 1 && plan.max_bytes == 0) return wrong("max-file", "max-file needs max-size.");
  return plan;
}

Result<LogPlan> read_awslogs(const LogOptions& options) {
  LogPlan plan;
  AwsLogsOptions out;
  std::string format;
  Readers readers = {{"awslogs-group", text_into(out.group)},
                     {"awslogs-region", text_into(out.region)},
                     {"awslogs-stream-prefix", text_into(out.stream_prefix)},
                     {"awslogs-stream", text_into(out.stream)},
                     {"awslogs-create-group", flag_into(out.create_group)},
                     {"awslogs-create-stream", flag_into(out.create_stream)},
                     {"awslogs-multiline-pattern", text_into(out.begin_pattern)},
                     {"awslogs-datetime-format", text_into(format)}};
  readers["awslogs-endpoint"] = [&out](const std::string& value) -> std::string {
    if (!value.starts_with("http://") && !value.starts_with("https://")) return "is no URL";
    out.endpoint = value;
    return {};
  };
  if (auto read = read_shipped("awslogs", options, std::move(readers), plan); !read) return read.error();
  for (const char* needed : {"awslogs-group", "awslogs-region"}) {
    if (!options.contains(needed)) return wrong(needed, std::string("The log driver awslogs needs the option ") + needed + ".");
  }
  if (!format.empty() && !out.begin_pattern.empty()) {
    return wrong("awslogs-datetime-format", "awslogs-datetime-format and awslogs-multiline-pattern exclude each other.");
  }
  if (!format.empty()) {
    auto pattern = pattern_of_datetime(format);
    if (!pattern) return wrong("awslogs-datetime-format", pattern.error().message);
    out.begin_pattern = *pattern;
  }
  try {
    const boost::regex compiled(out.begin_pattern);
  } catch (const std::exception& problem) {
    return wrong("awslogs-multiline-pattern", std::string("awslogs-multiline-pattern is no regular expression: ") + problem.what());
  }
  plan.driver = std::move(out);
  return plan;
}

// What the router is told is not looked at here.
Result<LogPlan> read_firelens(const LogOptions& options) {
  LogPlan plan;
  std::uint64_t limit = 0;
  LogOptions own;
  for (const char* name : {"mode", "max-buffer-size", "log-driver-buffer-limit"}) {
    const auto at = options.find(name);
    if (at != options.end()) own.insert(*at);
  }
  // An output may have a mode as well, with words of its own.
  if (const auto mode = own.find("mode"); mode != own.end() && mode->second != "blocking" && mode->second != "non-blocking") {
    own.erase(mode);
  }
  Readers readers;
  readers["log-driver-buffer-limit"] = [&limit](const std::string& value) -> std::string {
    const auto size = read_byte_size(value);
    if (!size) return "is no size";
    limit = std::max(*size, kLeastBuffer);
    return {};
  };
  if (auto read = read_shipped("awsfirelens", own, std::move(readers), plan); !read) return read.error();
  if (limit != 0) plan.max_bytes = limit / kSpoolFiles;
  plan.driver = FirelensOptions{};
  return plan;
}

Result<LogPlan> read_fluentd(const LogOptions& options) {
  LogPlan plan;
  FluentdOptions out;
  std::uint64_t limit = 0;
  Readers readers = {{"tag", tag_into(out.tag)},
                     {"fluentd-async", flag_into(out.async)},
                     {"fluentd-async-connect", flag_into(out.async)},
                     {"fluentd-request-ack", flag_into(out.request_ack)},
                     {"fluentd-sub-second-precision", flag_into(out.sub_second)}};
  readers["fluentd-address"] = [&out](const std::string& value) { return read_address(value, 24224, false, out.address); };
  readers["fluentd-buffer-limit"] = [&limit](const std::string& value) -> std::string {
    const auto size = read_byte_size(value);
    if (!size || *size < kLeastBuffer) return "is no size of 64k or more";
    limit = *size;
    return {};
  };
  readers["fluentd-retry-wait"] = [&out](const std::string& value) -> std::string {
    std::string_view digits = value;
    const bool in_ms = digits.ends_with("ms");
    if (in_ms || digits.ends_with("s")) digits.remove_suffix(in_ms ? 2 : 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out.retry_wait_ms);
    if (digits != value && !in_ms) out.retry_wait_ms *= 1000;
    const bool fine = error == std::errc{} && end == digits.data() + digits.size() && out.retry_wait_ms >= 1 && out.retry_wait_ms <= 60'000;
    return fine ? "" : "is no time up to 60s";
  };
  if (auto read = read_shipped("fluentd", options, std::move(readers), plan); !read) return read.error();
  if (limit != 0) plan.max_bytes = limit / kSpoolFiles;
  plan.driver = std::move(out);
  return plan;
}

std::string read_facility(const std::string& value, int& out) {
  constexpr std::array kNames = {"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"};
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (value == kNames[i] || value == std::to_string(i)) return out = static_cast<int>(i), "";
  }
  for (int local = 0; local < 8; ++local) {
    if (value == "local" + std::to_string(local) || value == std::to_string(16 + local)) return out = 16 + local, "";
  }
  return "is no facility";
}

std::string read_format(const std::string& value, SyslogOptions::Format& out) {
  using Format = SyslogOptions::Format;
  constexpr std::pair<const char*, Format> kNames[] = {
      {"rfc3164", Format::Rfc3164}, {"rfc5424", Format::Rfc5424}, {"rfc5424micro", Format::Rfc5424Micro}};
  for (const auto& [name, format] : kNames) {
    if (value == name) return out = format, "";
  }
  return "is none of rfc3164, rfc5424, rfc5424micro";
}

Result<LogPlan> read_syslog(const LogOptions& options) {
  LogPlan plan;
  SyslogOptions out;
  Readers readers = {{"tag", tag_into(out.tag)}};
  readers["syslog-address"] = [&out](const std::string& value) { return read_address(value, 514, true, out.address.emplace()); };
  readers["syslog-facility"] = [&out](const std::string& value) { return read_facility(value, out.facility); };
  readers["syslog-format"] = [&out](const std::string& value) { return read_format(value, out.format); };
  if (auto read = read_shipped("syslog", options, std::move(readers), plan); !read) return read.error();
  plan.driver = std::move(out);
  return plan;
}

Result<LogPlan> read_journald(const LogOptions& options) {
  LogPlan plan;
  JournaldOptions out;
  if (auto read = read_shipped("journald", options, {{"tag", tag_into(out.tag)}}, plan); !read) return read.error();
  plan.driver = std::move(out);
  return plan;
}

// What strftime writes, as an expression; empty: no such conversion.
std::string_view conversion(char c) {
  switch (c) {
    case 'a': case 'b': case 'h': return "(?:[A-Za-z]{3})";
    case 'A': case 'B': return "(?:[A-Za-z]+)";
    case 'd': case 'm': case 'H': case 'I': case 'M': case 'S': case 'y': case 'U': case 'W': return "\\d{2}";
    case 'e': return "[ \\d]\\d";
    case 'f': return "\\d{6}";
    case 'j': case 'L': return "\\d{3}";
    case 'p': return "(?:AM|PM)";
    case 'w': return "\\d";
    case 'Y': return "\\d{4}";
    case 'z': return "[+-]\\d{4}";
    case 'Z': return "[A-Z]{1,4}T?";
    case '%': return "%";
    default: return {};
  }
}

}  // namespace

std::optional<std::uint64_t> read_byte_size(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  std::string unit(end, text.data() + text.size());
  std::transform(unit.begin(), unit.end(), unit.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  double factor = 0;
  if (unit.empty() || unit == "b") factor = 1;
  if (unit == "k" || unit == "kb") factor = 1024;
  if (unit == "m" || unit == "mb") factor = 1024.0 * 1024;
  if (unit == "g" || unit == "gb") factor = 1024.0 * 1024 * 1024;
  // Said so that "nan" is none either.
  if (factor == 0 || !(number >= 0 && number * factor <= 1e18)) return std::nullopt;
  return static_cast<std::uint64_t>(number * factor);
}

std::string fill_tag(std::string_view tag, const LogNames& names) {
  std::string out;
  while (!tag.empty()) {
    const auto* word = std::find_if(std::begin(kTagWords), std::end(kTagWords),
                                    [&](const auto& entry) { return tag.starts_with(entry.first); });
    if (word != std::end(kTagWords)) {
      out += word->second(names);
      tag.remove_prefix(word->first.size());
    } else {
      out += tag.front();
      tag.remove_prefix(1);
    }
  }
  return out;
}

Result<std::string> pattern_of_datetime(std::string_view format) {
  std::string out;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] == '%') {
      const std::string_view one = i + 1 < format.size() ? conversion(format[i + 1]) : std::string_view();
      if (one.empty()) {
        return sdk::fail(BERTH_INVALID, "awslogs-datetime-format has a conversion that is not known: '" +
                                            std::string(format.substr(i, 2)) + "'.");
      }
      out += one;
      ++i;
      continue;
    }
    if (std::string_view("\\^$.|?*+()[]{}").find(format[i]) != std::string_view::npos) out += '\\';
    out += format[i];
  }
  return out;
}

Result<LogPlan> read_log_plan(std::string_view driver, const LogOptions& options) {
  if (driver.empty() || driver == "json-file") return read_json_file(options);
  if (driver == "awslogs") return read_awslogs(options);
  if (driver == "fluentd") return read_fluentd(options);
  if (driver == "syslog") return read_syslog(options);
  if (driver == "journald") return read_journald(options);
  if (driver == "awsfirelens") return read_firelens(options);
  if (driver == "none") {
    if (auto read = read_all(driver, options, {}); !read) return read.error();
    return LogPlan{.driver = NoLog{}};
  }
  return sdk::fail(BERTH_UNIMPLEMENTED, "The log driver " + std::string(driver) + " is not acted on.", "logDriver");
}

}  // namespace berth::runtime
