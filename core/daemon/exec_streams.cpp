// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/exec_streams.hpp"

#include "berth/v1/launch.pb.h"

namespace berth::daemon {
namespace {

v1::ExecRequest request_of(const api::ExecQuery& query, std::uint64_t stream) {
  v1::ExecRequest request;
  request.set_task_id(query.task->id.str());
  request.set_node_id(query.task->node.str());
  request.set_container(query.container);
  for (const auto& word : query.command) request.add_command(word);
  request.set_terminal(query.terminal);
  request.set_input(query.input);
  request.mutable_size()->set_rows(query.rows);
  request.mutable_size()->set_columns(query.columns);
  request.set_stream_id(stream);
  return request;
}

class Stream final : public api::ExecStream {
 public:
  explicit Stream(std::unique_ptr<PluginStreams::Handle> handle) : handle_(std::move(handle)) {}
  void grant(std::uint32_t bytes) override { handle_->grant(bytes); }
  void write(v1::StreamWrite input) override { handle_->write(std::move(input)); }

 private:
  std::unique_ptr<PluginStreams::Handle> handle_;
};

}  // namespace

std::unique_ptr<api::ExecStream> ExecStreams::open(api::ExecQuery query,
                                                   std::shared_ptr<api::ExecSink> sink) {
  PluginStreams::Opening opening{.plugin = query.task->plugin, .method = v1::METHOD_LAUNCH_EXEC};
  opening.request = [query](std::uint64_t stream) {
    return request_of(query, stream).SerializeAsString();
  };
  opening.chunk = [sink](v1::StreamChunk&& chunk) -> Result<void> {
    if (chunk.input_credit_bytes() > 0) sink->input_credit(chunk.input_credit_bytes());
    if (!chunk.data().empty()) sink->output(chunk.channel(), std::move(*chunk.mutable_data()));
    return {};
  };
  opening.end = [sink, plugin = opening.plugin](const Result<std::string>& ended) {
    if (!ended) return sink->end(tl::unexpected(ended.error()));
    v1::ExecResponse response;
    if (!response.ParseFromString(*ended)) {
      return sink->end(fail(Errc::Internal, "the plugin gave an answer that cannot be read",
                            Subject::Plugin, plugin.str()));
    }
    sink->end(response.exit_code());
  };
  return std::make_unique<Stream>(streams_.open(std::move(opening)));
}

}  // namespace berth::daemon
