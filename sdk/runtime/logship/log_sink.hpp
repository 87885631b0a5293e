// SPDX-License-Identifier: Apache-2.0
// Where the log of one container is sent: one class for each driver, made by make_log_sink.
//
// Threads: one at a time; calls block. Errors: UNAVAILABLE, DEADLINE and the like where it may go better later; INVALID, DENIED, NOT_FOUND and
// PRECONDITION where somebody has to do something first.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>

#include "berth/result.hpp"
#include "berth/runtime/log_shipment.pb.h"
#include "sdk/runtime/log/log_options.hpp"
#include "sdk/runtime/logship/log_event.hpp"

namespace berth::runtime {

struct AwsCredentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;
};

namespace http {
class Client;  // sdk/runtime/http/client.hpp
}

// What sinks need of the host.
struct LogOutside {
  std::shared_ptr<http::Client> http;  // of all sinks
  // Asked for each request. Errors: PRECONDITION where there are none.
  std::function<sdk::Result<AwsCredentials>()> aws_credentials;
  std::string journal_socket = "/run/systemd/journal/socket";
  std::string syslog_socket = "/dev/log";
  std::chrono::milliseconds timeout{10'000};  // of one step of sending
};

class LogSink {
 public:
  struct Sent {
    std::size_t events = 0;   // of the front: these are done with, more than 0
    std::size_t refused = 0;  // of those, which the receiver does not want
  };
  virtual ~LogSink() = default;

  // Looks whether the receiver is there, as Docker does before a container starts.
  virtual sdk::Result<void> prepare(std::stop_token cancel) = 0;
  // Sends as much of the front of `events` (never empty) as goes at once.
  virtual sdk::Result<Sent> send(std::span<const LogEvent> events, std::stop_token cancel) = 0;

  // Whom it sends to, in words: sinks of the same receiver fail together.
  [[nodiscard]] virtual std::string receiver() const = 0;

  // How lines are joined to events.
  [[nodiscard]] virtual EventAssembler assembler() const { return EventAssembler(kMostEvent); }
  // So long more lines are waited for before some are sent.
  [[nodiscard]] virtual std::chrono::milliseconds linger() const { return std::chrono::milliseconds(0); }
  // The first pause after a failure.
  [[nodiscard]] virtual std::chrono::milliseconds retry_wait() const { return std::chrono::milliseconds(1'000); }

  static constexpr std::size_t kMostEvent = 256 * 1024 - 64;
};

// Errors: those of read_log_plan; UNIMPLEMENTED for a driver that sends nothing.
[[nodiscard]] sdk::Result<std::unique_ptr<LogSink>> make_log_sink(const LogShipment& shipment, const LogOutside& outside);

// From AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN of this process.
[[nodiscard]] sdk::Result<AwsCredentials> aws_credentials_of_environment();

}  // namespace berth::runtime
