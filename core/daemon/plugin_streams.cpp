// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/plugin_streams.hpp"

#include <map>
#include <utility>

#include "berth/v1/plugin.pb.h"

namespace berth::daemon {

struct PluginStreams::Stream {
  std::uint64_t id = 0;
  std::uint64_t operation = 0;
  Opening opening;
};

// Shared with handles and callbacks, which may outlive the PluginStreams.
struct PluginStreams::Table {
  PluginSet& plugins;
  std::function<void(std::function<void()>)> post;
  std::map<std::uint64_t, std::shared_ptr<Stream>> streams{};
  std::uint64_t last_id = 0;

  void send(const Stream& stream, v1::Method method, const std::string& request) {
    if (!streams.contains(stream.id)) return;
    plugins.begin(stream.opening.plugin, method, request, [](Result<std::string>) {});
  }
};

PluginStreams::Handle::Handle(std::weak_ptr<Table> table, std::shared_ptr<Stream> stream)
    : table_(std::move(table)), stream_(std::move(stream)) {}

PluginStreams::Handle::~Handle() {
  on_loop([stream = stream_](Table& table) {
    if (table.streams.erase(stream->id) > 0) {
      table.plugins.cancel(stream->opening.plugin, stream->operation);
    }
  });
}

void PluginStreams::Handle::grant(std::uint32_t bytes) {
  on_loop([stream = stream_, bytes](Table& table) {
    v1::StreamCredit credit;
    credit.set_stream_id(stream->id);
    credit.set_bytes(bytes);
    table.send(*stream, v1::METHOD_STREAM_CREDIT, credit.SerializeAsString());
  });
}

void PluginStreams::Handle::write(v1::StreamWrite input) {
  on_loop([stream = stream_, input = std::move(input)](Table& table) mutable {
    input.set_stream_id(stream->id);
    table.send(*stream, v1::METHOD_STREAM_WRITE, input.SerializeAsString());
  });
}

void PluginStreams::Handle::on_loop(std::function<void(Table&)> work) {
  const auto table = table_.lock();
  if (!table) return;
  table->post([weak = table_, work = std::move(work)] {
    if (const auto alive = weak.lock()) work(*alive);
  });
}

PluginStreams::PluginStreams(PluginSet& plugins, std::function<void(std::function<void()>)> post)
    : table_(std::make_shared<Table>(Table{plugins, std::move(post)})) {}

PluginStreams::~PluginStreams() = default;

std::unique_ptr<PluginStreams::Handle> PluginStreams::open(Opening opening) {
  auto stream = std::make_shared<Stream>();
  stream->opening = std::move(opening);
  table_->post([weak = std::weak_ptr(table_), stream] {
    const auto table = weak.lock();
    if (!table) return;
    stream->id = ++table->last_id;
    table->streams.emplace(stream->id, stream);
    stream->operation = table->plugins.begin(stream->opening.plugin, stream->opening.method,
                                             stream->opening.request(stream->id),
                                             [weak, stream](Result<std::string> ended) {
                                               const auto alive = weak.lock();
                                               if (alive && alive->streams.erase(stream->id) > 0)
                                                 stream->opening.end(std::move(ended));
                                             });
  });
  return std::make_unique<Handle>(table_, std::move(stream));
}

void PluginStreams::chunk(std::string_view payload) {
  v1::StreamChunk chunk;
  if (!chunk.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) return;
  const auto found = table_->streams.find(chunk.stream_id());
  if (found == table_->streams.end()) return;
  const auto stream = found->second;
  if (auto taken = stream->opening.chunk(std::move(chunk)); !taken) {
    table_->streams.erase(stream->id);
    table_->plugins.cancel(stream->opening.plugin, stream->operation);
    stream->opening.end(tl::unexpected(taken.error()));
  }
}

}  // namespace berth::daemon
