// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/log_streams.hpp"

#include <google/protobuf/io/coded_stream.h>

#include "berth/v1/launch.pb.h"
#include "berth/v1/stream.pb.h"

namespace berth::daemon {

struct LogStreams::Stream {
  std::uint64_t id = 0;
  PluginName plugin;
  std::uint64_t operation = 0;
  std::shared_ptr<api::LogSink> sink;
  std::string rest;  // the beginning of a record whose end has not come yet
};

// Shared with handles and callbacks, which may outlive the LogStreams.
struct LogStreams::Table {
  PluginSet& plugins;
  std::function<void(std::function<void()>)> post;
  std::map<std::uint64_t, std::shared_ptr<Stream>> streams{};
  std::uint64_t last_id = 0;
};

class LogStreams::Handle final : public api::LogStream {
 public:
  Handle(std::weak_ptr<Table> table, std::shared_ptr<Stream> stream)
      : table_(std::move(table)), stream_(std::move(stream)) {}

  ~Handle() override {
    on_loop([stream = stream_](Table& table) {
      if (table.streams.erase(stream->id) > 0) table.plugins.cancel(stream->plugin, stream->operation);
    });
  }

  void grant(std::uint32_t bytes) override {
    on_loop([stream = stream_, bytes](Table& table) {
      if (!table.streams.contains(stream->id)) return;
      v1::StreamCredit credit;
      credit.set_stream_id(stream->id);
      credit.set_bytes(bytes);
      table.plugins.begin(stream->plugin, v1::METHOD_STREAM_CREDIT, credit.SerializeAsString(),
                          [](Result<std::string>) {});
    });
  }

 private:
  void on_loop(std::function<void(Table&)> work) {
    const auto table = table_.lock();
    if (!table) return;
    table->post([weak = table_, work = std::move(work)] {
      if (const auto alive = weak.lock()) work(*alive);
    });
  }

  std::weak_ptr<Table> table_;
  std::shared_ptr<Stream> stream_;
};

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

}  // namespace

LogStreams::LogStreams(PluginSet& plugins, std::function<void(std::function<void()>)> post)
    : table_(std::make_shared<Table>(Table{plugins, std::move(post)})) {}

LogStreams::~LogStreams() = default;

std::unique_ptr<api::LogStream> LogStreams::open(api::LogQuery query, std::uint32_t credit_bytes,
                                                 std::shared_ptr<api::LogSink> sink) {
  auto stream = std::make_shared<Stream>();
  stream->sink = std::move(sink);
  stream->plugin = query.task->plugin;
  auto handle = std::make_unique<Handle>(table_, stream);
  table_->post([weak = std::weak_ptr(table_), stream, query = std::move(query), credit_bytes] {
    if (const auto table = weak.lock()) begin(table, stream, query, credit_bytes);
  });
  return handle;
}

void LogStreams::begin(const std::shared_ptr<Table>& table, const std::shared_ptr<Stream>& stream,
                       api::LogQuery query, std::uint32_t credit_bytes) {
  stream->id = ++table->last_id;
  table->streams.emplace(stream->id, stream);
  stream->operation = table->plugins.begin(
      stream->plugin, v1::METHOD_LAUNCH_LOGS,
      request_of(query, stream->id, credit_bytes).SerializeAsString(),
      [weak = std::weak_ptr(table), stream](Result<std::string> ended) {
        const auto alive = weak.lock();
        if (!alive || alive->streams.erase(stream->id) == 0) return;
        stream->sink->end(ended ? Result<void>{} : tl::unexpected(ended.error()));
      });
}

void LogStreams::chunk(std::string_view payload) {
  v1::StreamChunk chunk;
  if (!chunk.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) return;
  const auto found = table_->streams.find(chunk.stream_id());
  if (found == table_->streams.end() || chunk.channel() != v1::StreamChunk::CHANNEL_RECORDS) return;
  const auto stream = found->second;
  stream->rest += chunk.data();
  std::vector<v1::LogRecord> records;
  if (!take_records(stream->rest, records)) {
    table_->streams.erase(found);
    table_->plugins.cancel(stream->plugin, stream->operation);
    stream->sink->end(fail(Errc::Internal, "the plugin sent log records that cannot be read",
                           Subject::Plugin, stream->plugin.str()));
    return;
  }
  stream->sink->records(std::move(records), static_cast<std::uint32_t>(chunk.data().size()));
}

}  // namespace berth::daemon
