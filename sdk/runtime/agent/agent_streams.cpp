// SPDX-License-Identifier: Apache-2.0
// The calls that stream or take their time: a thread of its own for each, so that one which waits
// holds up no other.
#include <utility>

#include "sdk/runtime/agent/agent.hpp"
#include "sdk/runtime/agent/call_errors.hpp"
#include "sdk/runtime/task/host_images.hpp"

namespace berth::runtime {
namespace {

// One message with its length before it, as a stream of records carries them.
std::string framed(const v1::LogRecord& record) {
  std::string bytes;
  for (std::size_t size = record.ByteSizeLong();; size >>= 7U) {
    bytes.push_back(static_cast<char>(size < 0x80 ? size : (size & 0x7fU) | 0x80U));
    if (size < 0x80) break;
  }
  record.AppendToString(&bytes);
  return bytes;
}

}  // namespace

void Agent::begin_stream(fleet::AgentCall call) {
  const std::lock_guard lock(mutex_);
  finished_.clear();
  if (ending_) return;
  const std::uint64_t id = call.id;
  const auto input = std::make_shared<ExecInput>();
  Streaming& stream = streams_[id];
  stream.input = input;
  stream.thread = std::jthread([this, call = std::move(call), input](std::stop_token stop) {
    switch (call.method) {
      case v1::METHOD_LAUNCH_EXEC: exec(call, *input, stop); break;
      case v1::METHOD_LAUNCH_LOGS: logs(call, stop); break;
      default: images(call, stop); break;
    }
    const std::lock_guard held(mutex_);
    const auto self = streams_.find(call.id);
    if (self == streams_.end()) return;  // being ended
    finished_.push_back(std::move(self->second.thread));
    streams_.erase(self);
  });
}

void Agent::logs(const fleet::AgentCall& call, std::stop_token stop) {
  v1::LogsRequest request;
  if (!request.ParseFromString(call.request)) return answer(call.id, unreadable_request());
  const auto send = [&](const v1::LogRecord& record) {
    v1::StreamChunk chunk;
    chunk.set_channel(v1::StreamChunk::CHANNEL_RECORDS);
    chunk.set_data(framed(record));
    return client_->write_chunk(call.id, std::move(chunk), stop).has_value();
  };
  const auto sent = tasks_->logs(request, send, stop);
  if (!sent) return answer(call.id, sent.error());
  v1::LogsResponse response;
  response.set_lines(*sent);
  client_->done(call.id, BERTH_OK, response.SerializeAsString());
}

void Agent::exec(const fleet::AgentCall& call, ExecInput& input, std::stop_token stop) {
  v1::ExecRequest request;
  if (!request.ParseFromString(call.request)) return answer(call.id, unreadable_request());
  const ExecIo io{
      .output =
          [&](v1::StreamChunk::Channel channel, std::string_view data) {
            v1::StreamChunk chunk;
            chunk.set_channel(channel);
            chunk.set_data(std::string(data));
            return client_->write_chunk(call.id, std::move(chunk), stop).has_value();
          },
      .grant_input = [&](std::uint32_t bytes) { client_->grant_input(call.id, bytes); }};
  const auto code = tasks_->exec(request, input, io, stop);
  if (!code) return answer(call.id, code.error());
  v1::ExecResponse response;
  response.set_exit_code(*code);
  client_->done(call.id, BERTH_OK, response.SerializeAsString());
}

void Agent::images(const fleet::AgentCall& call, const std::stop_token& stop) {
  if (call.method == v1::METHOD_LAUNCH_LIST_IMAGES) {
    return client_->done(call.id, BERTH_OK, tasks_->images().list().SerializeAsString());
  }
  if (call.method == v1::METHOD_LAUNCH_PRUNE_IMAGES) {
    v1::PruneImagesRequest request;
    if (!request.ParseFromString(call.request)) return answer(call.id, unreadable_request());
    const auto pruned = tasks_->images().prune(request);
    return client_->done(call.id, BERTH_OK, pruned.SerializeAsString());
  }
  v1::PullImageRequest request;
  if (!request.ParseFromString(call.request)) return answer(call.id, unreadable_request());
  const auto pulled = tasks_->images().pull(request, stop);
  if (!pulled) return answer(call.id, pulled.error());
  client_->done(call.id, BERTH_OK, pulled->SerializeAsString());
}

void Agent::input(std::uint64_t call, v1::StreamWrite write) {
  const std::lock_guard lock(mutex_);
  const auto at = streams_.find(call);
  if (at != streams_.end()) at->second.input->push(std::move(write));
}

void Agent::cancel(std::uint64_t call) {
  const std::lock_guard lock(mutex_);
  const auto at = streams_.find(call);
  if (at != streams_.end()) at->second.thread.request_stop();
}

}  // namespace berth::runtime
