// SPDX-License-Identifier: Apache-2.0
// Syslog, as RFC 3164 and RFC 5424 write it.
#include <unistd.h>

#include <array>
#include <cstdio>
#include <ctime>
#include <utility>

#include "sdk/runtime/logship/log_sinks.hpp"
#include "sdk/runtime/logship/log_socket.hpp"

namespace berth::runtime {
namespace {

using sdk::Result;
using Format = SyslogOptions::Format;

constexpr std::size_t kMostBytes = 1 << 20;
constexpr int kError = 3;
constexpr int kInformation = 6;

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 && name[0] != '\0' ? name.data() : "localhost";
}

std::string time_text(std::int64_t time_ns, Format format) {
  const std::time_t seconds = time_ns / 1'000'000'000;
  std::tm tm{};
  std::array<char, 64> text{};
  if (format == Format::Local || format == Format::Rfc3164) {
    ::localtime_r(&seconds, &tm);
    std::strftime(text.data(), text.size(), "%b %e %H:%M:%S", &tm);
    return text.data();
  }
  ::gmtime_r(&seconds, &tm);
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &tm);
  if (format == Format::Rfc5424Micro) {
    std::snprintf(text.data() + size, text.size() - size, ".%06d", static_cast<int>(time_ns % 1'000'000'000 / 1000));
  }
  return std::string(text.data()) + "Z";
}

class SyslogSink : public LogSink {
 public:
  SyslogSink(const SyslogOptions& options, const LogShipment& shipment, const LogOutside& outside)
      : options_(options),
        address_(options.address.value_or(LogAddress{LogAddress::Kind::UnixDatagram, outside.syslog_socket, 0})),
        tag_(fill_tag(options.tag, names_of(shipment))),
        host_(host_name()),
        socket_(address_, outside.timeout) {}

  Result<void> prepare(std::stop_token cancel) override { return socket_.connect(cancel); }

  Result<Sent> send(std::span<const LogEvent> events, std::stop_token cancel) override {
    if (auto there = socket_.connect(cancel); !there) return there.error();
    if (is_datagram()) return send_datagrams(events, cancel);
    std::string bytes;
    std::size_t count = 0;
    for (; count < events.size() && bytes.size() < kMostBytes; ++count) bytes += line(events[count]) + "\n";
    if (auto written = socket_.write(bytes, cancel); !written) return written.error();
    return Sent{count, 0};
  }

  std::string receiver() const override { return socket_.text(); }

 private:
  [[nodiscard]] bool is_datagram() const {
    return address_.kind == LogAddress::Kind::Udp || address_.kind == LogAddress::Kind::UnixDatagram;
  }

  Result<Sent> send_datagrams(std::span<const LogEvent> events, std::stop_token cancel) {
    Sent sent;
    for (const LogEvent& event : events) {
      auto written = socket_.write(line(event), cancel);
      if (!written && written.error().status == BERTH_INVALID) {
        ++sent.refused;  // longer than any datagram
        if (auto again = socket_.connect(cancel); !again) return again.error();
      } else if (!written) {
        if (sent.events > 0) return sent;
        return written.error();
      }
      ++sent.events;
    }
    return sent;
  }

  [[nodiscard]] std::string line(const LogEvent& event) const {
    const int priority = options_.facility * 8 + (event.stream == LogStream::Stderr ? kError : kInformation);
    const std::string pid = std::to_string(::getpid());
    const std::string when = time_text(event.time_ns, options_.format);
    std::string out = "<" + std::to_string(priority) + ">";
    switch (options_.format) {
      case Format::Local: out += when + " " + tag_ + "[" + pid + "]: "; break;
      case Format::Rfc3164: out += when + " " + host_ + " " + tag_ + "[" + pid + "]: "; break;
      default: out += "1 " + when + " " + host_ + " " + tag_ + " " + pid + " " + tag_ + " - "; break;
    }
    return out + event.text;
  }

  const SyslogOptions options_;
  const LogAddress address_;
  const std::string tag_;
  const std::string host_;
  LogSocket socket_;
};

}  // namespace

std::unique_ptr<LogSink> make_syslog_sink(const SyslogOptions& options, const LogShipment& shipment, const LogOutside& outside) {
  return std::make_unique<SyslogSink>(options, shipment, outside);
}

}  // namespace berth::runtime
