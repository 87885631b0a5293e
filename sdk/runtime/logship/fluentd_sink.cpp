// SPDX-License-Identifier: Apache-2.0
// The forward protocol of Fluentd and Fluent Bit: [tag, [[time, record], ...], options] in MessagePack.
#include <cstdio>
#include <utility>

#include "sdk/runtime/logship/log_sinks.hpp"
#include "sdk/runtime/logship/log_socket.hpp"
#include "sdk/runtime/logship/message_pack.hpp"

namespace berth::runtime {
namespace {

using sdk::Result;

constexpr std::size_t kMostBytes = 1 << 20;

class FluentdSink : public LogSink {
 public:
  FluentdSink(const FluentdOptions& options, const LogShipment& shipment, const LogOutside& outside)
      : options_(options),
        tag_(fill_tag(options.tag, names_of(shipment))),
        container_id_(shipment.container_id()),
        container_name_("/" + shipment.container()),
        socket_(options.address, outside.timeout) {}

  Result<void> prepare(std::stop_token cancel) override {
    if (options_.async) return {};
    return socket_.connect(cancel);
  }

  Result<Sent> send(std::span<const LogEvent> events, std::stop_token cancel) override {
    if (auto there = socket_.connect(cancel); !there) return there.error();
    MessagePack entries;
    std::size_t count = 0;
    for (; count < events.size() && entries.size() < kMostBytes; ++count) pack(entries, events[count]);
    MessagePack message;
    message.array(3);
    message.text(tag_);
    message.array(count);
    message.raw(entries.take());
    const std::string chunk = options_.request_ack ? next_chunk() : std::string();
    message.map(options_.request_ack ? 2 : 1);
    message.text("size");
    message.number(count);
    if (options_.request_ack) {
      message.text("chunk");
      message.text(chunk);
    }
    if (auto written = socket_.write(message.take(), cancel); !written) return written.error();
    if (options_.request_ack) {
      if (auto told = await_ack(chunk, cancel); !told) return told.error();
    }
    return Sent{count, 0};
  }

  std::string receiver() const override { return socket_.text(); }

  std::chrono::milliseconds retry_wait() const override { return std::chrono::milliseconds(options_.retry_wait_ms); }

 private:
  void pack(MessagePack& out, const LogEvent& event) const {
    out.array(2);
    if (options_.sub_second) {
      out.event_time(event.time_ns);
    } else {
      out.number(static_cast<std::uint64_t>(event.time_ns / 1'000'000'000));
    }
    out.map(4);
    out.text("container_id");
    out.text(container_id_);
    out.text("container_name");
    out.text(container_name_);
    out.text("source");
    out.text(event.stream == LogStream::Stderr ? "stderr" : "stdout");
    out.text("log");
    out.text(event.text);
  }

  // Unique on its connection, which is all that an answer is matched by.
  std::string next_chunk() {
    char text[32];
    std::snprintf(text, sizeof text, "%024llx", static_cast<unsigned long long>(++chunks_));
    return text;
  }

  // {"ack": chunk}
  Result<void> await_ack(const std::string& chunk, std::stop_token cancel) {
    std::string answer;
    while (answer.find(chunk) == std::string::npos) {
      auto more = socket_.read(cancel);
      if (!more) return more.error();
      answer += *more;
      if (answer.size() > 4096) {
        socket_.close();
        return sdk::fail(BERTH_UNAVAILABLE, socket_.text() + ": it answers with something else than an acknowledgment");
      }
    }
    return {};
  }

  const FluentdOptions options_;
  const std::string tag_;
  const std::string container_id_;
  const std::string container_name_;
  LogSocket socket_;
  std::uint64_t chunks_ = 0;
};

}  // namespace

std::unique_ptr<LogSink> make_fluentd_sink(const FluentdOptions& options, const LogShipment& shipment, const LogOutside& outside) {
  return std::make_unique<FluentdSink>(options, shipment, outside);
}

}  // namespace berth::runtime
