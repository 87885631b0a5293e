// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "sdk/fleet/server_impl.hpp"

namespace berth::fleet {
namespace {

constexpr std::size_t kChunkLimit = 64 * 1024;

std::string failure_bytes(const std::string& why) {
  berth::v1::Failure failure;
  failure.set_message(why);
  return failure.SerializeAsString();
}

}  // namespace

std::uint64_t Server::Impl::call(NewCall wish) {
  const std::uint64_t id = next_call_++;
  loop_.post([this, id, wish = std::make_shared<NewCall>(std::move(wish))] { begin_call(id, std::move(*wish)); });
  return id;
}

void Server::Impl::begin_call(std::uint64_t id, NewCall wish) {
  const auto no = [&](berth_status status, const std::string& why) { wish.done(status, failure_bytes(why)); };
  if (ending_) return no(BERTH_CANCELLED, "the fleet server ends");
  const auto stored = store_.nodes().find(wish.node_id);
  if (stored == store_.nodes().end()) return no(BERTH_NOT_FOUND, "no node " + wish.node_id + " has joined");
  if (calls_.size() >= config_.max_open_calls) return no(BERTH_UNAVAILABLE, "too many calls are open");
  if (wish.request.size() > BERTH_PAYLOAD_MAX) return no(BERTH_INVALID, "the request is too large");
  Session* session = owner_of(wish.node_id);
  if (!session && !wish.options.until_answered) return no(BERTH_UNAVAILABLE, "node " + wish.node_id + " is not connected");

  calls_of_[wish.node_id].insert(id);
  OpenCall& call = calls_[id];
  call.wish = std::move(wish);
  if (call.wish.options.timeout.count() > 0) {
    call.timer = loop_.after(call.wish.options.timeout, [this, id] {
      const auto at = calls_.find(id);
      if (at == calls_.end()) return;
      v1::Frame frame;
      frame.mutable_cancel()->set_id(id);
      if (Session* s = find(at->second.session)) s->connection->send(frame);
      fail_call(id, BERTH_DEADLINE, "the agent did not answer in time");
    });
  }
  if (session) send_call(id, call, *session);
}

void Server::Impl::send_call(std::uint64_t id, OpenCall& call, Session& session) {
  call.session = session.serial;
  call.credit = call.wish.options.credit;
  v1::Frame frame;
  auto& out = *frame.mutable_call();
  out.set_id(id);
  out.set_method(call.wish.method);
  out.set_request(call.wish.request);
  out.set_timeout_ms(static_cast<std::uint32_t>(call.wish.options.timeout.count()));
  out.set_credit(call.wish.options.credit);
  const bool news = call.wish.method == berth::v1::METHOD_LAUNCH_START || call.wish.method == berth::v1::METHOD_LAUNCH_STOP;
  session.connection->send(frame, news);
}

void Server::Impl::end_call(std::uint64_t id, berth_status status, std::string payload) {
  const auto at = calls_.find(id);
  if (at == calls_.end()) return;
  const auto done = std::move(at->second.wish.done);
  const auto of = calls_of_.find(at->second.wish.node_id);
  of->second.erase(id);
  if (of->second.empty()) calls_of_.erase(of);
  calls_.erase(at);
  done(status, std::move(payload));
}

void Server::Impl::fail_call(std::uint64_t id, berth_status status, const std::string& why) {
  end_call(id, status, failure_bytes(why));
}

// In the order in which they were made, so that a stop never overtakes its start.
void Server::Impl::send_waiting_calls(Session& session) {
  const auto of = calls_of_.find(session.node_id);
  if (of == calls_of_.end()) return;
  for (const std::uint64_t id : of->second) {
    OpenCall& call = calls_.at(id);
    if (call.session == 0) send_call(id, call, session);
  }
}

void Server::Impl::calls_lost(const std::string& node_id, std::uint64_t session) {
  const auto of = calls_of_.find(node_id);
  if (of == calls_of_.end()) return;
  for (const std::uint64_t id : std::set<std::uint64_t>(of->second)) {
    const auto at = calls_.find(id);
    if (at == calls_.end() || at->second.session != session) continue;
    at->second.session = 0;
    if (!at->second.wish.options.until_answered) fail_call(id, BERTH_UNAVAILABLE, "the connection to the agent was lost");
  }
}

void Server::Impl::cancel(std::uint64_t id) {
  loop_.post([this, id] {
    const auto at = calls_.find(id);
    if (at == calls_.end()) return;
    v1::Frame frame;
    frame.mutable_cancel()->set_id(id);
    if (Session* session = find(at->second.session)) session->connection->send(frame);
    fail_call(id, BERTH_CANCELLED, "the call was cancelled");
  });
}

void Server::Impl::credit(std::uint64_t id, std::uint32_t bytes) {
  loop_.post([this, id, bytes] {
    const auto at = calls_.find(id);
    if (at == calls_.end()) return;
    at->second.credit += bytes;
    v1::Frame frame;
    frame.mutable_credit()->set_call(id);
    frame.mutable_credit()->set_bytes(bytes);
    if (Session* session = find(at->second.session)) session->connection->send(frame);
  });
}

void Server::Impl::write(std::uint64_t id, berth::v1::StreamWrite input) {
  loop_.post([this, id, input = std::move(input)]() mutable {
    const auto at = calls_.find(id);
    if (at == calls_.end()) return;
    v1::Frame frame;
    frame.mutable_input()->set_call(id);
    *frame.mutable_input()->mutable_write() = std::move(input);
    if (Session* session = find(at->second.session)) session->connection->send(frame);
  });
}

void Server::Impl::answer(AskHandle to, berth_status status, std::string response) {
  loop_.post([this, to, status, response = std::move(response)]() mutable {
    Session* session = find(to.session);
    if (!session || session->asks.erase(to.ask) == 0) return;  // gone, or answered
    v1::Frame frame;
    frame.mutable_answer()->set_ask_id(to.ask);
    frame.mutable_answer()->set_status(status);
    frame.mutable_answer()->set_response(std::move(response));
    session->connection->send(frame);
  });
}

void Server::Impl::agent_done(Session& session, v1::Done&& done) {
  const auto at = calls_.find(done.id());
  // Cancelled or timed out here meanwhile; or of another node: neither is the agent's to end.
  if (at == calls_.end() || at->second.session != session.serial) return;
  end_call(done.id(), done.status(), std::move(*done.mutable_payload()));
}

void Server::Impl::agent_chunk(Session& session, v1::Chunk&& chunk) {
  const auto at = calls_.find(chunk.call());
  if (at == calls_.end() || at->second.session != session.serial) return;
  OpenCall& call = at->second;
  const std::size_t size = chunk.chunk().data().size();
  if (!call.wish.chunk || size > kChunkLimit || size > call.credit) {
    return refuse(session, v1::Goodbye::CODE_BROKEN, "more of a stream than it has credit for");
  }
  call.credit -= size;
  chunk.mutable_chunk()->set_stream_id(call.wish.options.stream_id);
  call.wish.chunk(std::move(*chunk.mutable_chunk()));
}

}  // namespace berth::fleet
