// SPDX-License-Identifier: Apache-2.0
// What a logConfiguration asks for: the driver and its options, checked.
//
// Threads: any; pure. Errors: the field is "logDriver" or "options[NAME]"; UNIMPLEMENTED for drivers and options that are not acted on,
// INVALID for values that are none.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "berth/result.hpp"

namespace berth::runtime {

using LogOptions = std::map<std::string, std::string>;

// Where a log is sent that is not for a web service.
struct LogAddress {
  enum class Kind {
    Tcp,
    Udp,
    Unix,
    UnixDatagram,
    ContainerUnix,  // a container made it: no link that it put there is followed
  };
  Kind kind = Kind::Tcp;
  std::string host;  // or path
  std::uint16_t port = 0;
};

struct AwsLogsOptions {
  std::string group;
  std::string region;
  std::string stream_prefix;  // prefix/CONTAINER/TASK
  std::string stream;         // awslogs-stream; empty: by the prefix, or the container's id
  std::string endpoint;       // a URL; empty: the region's
  bool create_group = false;
  bool create_stream = true;
  std::string begin_pattern;  // a line that matches begins a new event; empty: each line is one
};

struct FluentdOptions {
  LogAddress address{LogAddress::Kind::Tcp, "127.0.0.1", 24224};
  std::string tag = "{{.ID}}";
  bool async = false;      // the container starts although nobody listens there
  bool request_ack = false;
  bool sub_second = false;
  std::int64_t retry_wait_ms = 1000;
};

struct SyslogOptions {
  enum class Format { Local, Rfc3164, Rfc5424, Rfc5424Micro };
  std::optional<LogAddress> address;  // absent: /dev/log
  int facility = 3;                   // daemon
  Format format = Format::Local;
  std::string tag = "{{.ID}}";
};

struct JournaldOptions {
  std::string tag = "{{.ID}}";
};

// awsfirelens: to the task's log router, whose options all others are (options/firelens.hpp).
struct FirelensOptions {};

// The drivers whose logs are sent nowhere.
struct JsonFileOptions {};
struct NoLog {};

struct LogPlan {
  std::variant<JsonFileOptions, NoLog, AwsLogsOptions, FluentdOptions, SyslogOptions, JournaldOptions,
               FirelensOptions>
      driver;
  // Of the files on this host: the log itself, or what waits to be sent.
  std::uint64_t max_bytes = 0;  // of one file; 0: never rotated
  std::uint32_t max_files = 1;
  bool blocking = false;        // the program waits where what is to be sent fills these files
  [[nodiscard]] bool is_shipped() const { return driver.index() >= 2; }
};

// An empty name is json-file.
[[nodiscard]] sdk::Result<LogPlan> read_log_plan(std::string_view driver, const LogOptions& options);

// The names that agents register as capabilities of the container runtime; awsfirelens is the agent's own.
inline constexpr const char* kLogDrivers[] = {"awslogs", "fluentd", "journald", "json-file", "none", "syslog"};

// Docker's log tags: "{{.Name}}/{{.ID}}". What a container is called in them.
struct LogNames {
  std::string id;       // 12 characters, as the container's default host name
  std::string full_id;
  std::string name;
  std::string image;
  std::string image_id;
};
[[nodiscard]] std::string fill_tag(std::string_view tag, const LogNames& names);

// A regular expression for what a strftime format writes. Errors: INVALID.
[[nodiscard]] sdk::Result<std::string> pattern_of_datetime(std::string_view format);

// "10m", "64k", "1024": bytes; nothing where it is no size.
[[nodiscard]] std::optional<std::uint64_t> read_byte_size(std::string_view text);

}  // namespace berth::runtime
