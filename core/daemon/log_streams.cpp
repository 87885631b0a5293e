// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/log_streams.hpp"

#include <google/protobuf/io/coded_stream.h>

#include "berth/v1/launch.pb.h"
#include "berth/v1/stream.pb.h"

namespace berth::daemon {
namespace {

// Takes the whole length-delimited records off the front of `bytes`. False: they are no records.
bool take_records(std::string& bytes, std::vector<v1::LogRecord>& out) {
  std::size_t taken = 0;
  for (;;) {
    const auto* begin = reinterpret_cast<const std::uint8_t*>(bytes.data()) + taken;
    google::protobuf::io::CodedInputStream in(begin, static_cast<int>(bytes.size() - taken));
    std::uint32_t size = 0;
    if (!in.ReadVarint32(&size)) {
      bytes.erase(0, taken);
      return bytes.size() < 10;  // a length is shorter than that
    }
    if (size > 64 * 1024 + 1024) return false;
    const auto head = static_cast<std::size_t>(in.CurrentPosition());
    if (bytes.size() - taken < head + size) break;
    v1::LogRecord record;
    if (!record.ParseFromArray(begin + head, static_cast<int>(size))) return false;
    out.push_back(std::move(record));
    taken += head + size;
  }
  bytes.erase(0, taken);
  return true;
}

v1::LogsRequest request_of(const api::LogQuery& query, std::uint64_t stream,
                           std::uint32_t credit) {
  v1::LogsRequest request;
  request.set_task_id(query.task->id.str());
  request.set_node_id(query.task->node.str());
  for (const auto& name : query.containers) request.add_containers(name);
  if (query.tail_lines) request.set_tail_lines(*query.tail_lines);
  if (query.since) request.mutable_since()->set_ms(query.since->time_since_epoch().count());
  request.set_follow(query.follow);
  request.set_stream_id(stream);
  request.set_credit_bytes(credit);
  return request;
}

class Stream final : public api::LogStream {
 public:
  explicit Stream(std::unique_ptr<PluginStreams::Handle> handle) : handle_(std::move(handle)) {}
  void grant(std::uint32_t bytes) override { handle_->grant(bytes); }

 private:
  std::unique_ptr<PluginStreams::Handle> handle_;
};

}  // namespace

std::unique_ptr<api::LogStream> LogStreams::open(api::LogQuery query, std::uint32_t credit_bytes,
                                                 std::shared_ptr<api::LogSink> sink) {
  PluginStreams::Opening opening{.plugin = query.task->plugin, .method = v1::METHOD_LAUNCH_LOGS};
  opening.request = [query, credit_bytes](std::uint64_t stream) {
    return request_of(query, stream, credit_bytes).SerializeAsString();
  };
  // `rest` is the beginning of a record whose end has not come yet.
  opening.chunk = [sink, plugin = opening.plugin, rest = std::string()](
                      v1::StreamChunk&& chunk) mutable -> Result<void> {
    if (chunk.channel() != v1::StreamChunk::CHANNEL_RECORDS) return {};
    rest += chunk.data();
    std::vector<v1::LogRecord> records;
    if (!take_records(rest, records)) {
      return fail(Errc::Internal, "the plugin sent log records that cannot be read",
                  Subject::Plugin, plugin.str());
    }
    sink->records(std::move(records), static_cast<std::uint32_t>(chunk.data().size()));
    return {};
  };
  opening.end = [sink](const Result<std::string>& ended) {
    sink->end(ended ? Result<void>{} : tl::unexpected(ended.error()));
  };
  return std::make_unique<Stream>(streams_.open(std::move(opening)));
}

}  // namespace berth::daemon
