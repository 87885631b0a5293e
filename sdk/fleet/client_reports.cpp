// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "sdk/fleet/client_impl.hpp"

namespace berth::fleet {
namespace {
constexpr std::size_t kReportsInFlight = 512;
constexpr std::size_t kChunkLimit = 64 * 1024;
}  // namespace

// ---- Reports ---------------------------------------------------------------------------------------------------

void Client::Impl::report(berth::v1::TaskReport report, bool news) {
  on_loop([report = std::move(report), news](Impl& self) mutable {
    const auto [at, is_new] = self.reports_.try_emplace(report.task_id());
    Pending& pending = at->second;
    if (!is_new && report.sequence() < pending.report.sequence()) return;
    pending.report = std::move(report);
    pending.news = news;
    if (pending.state == Pending::State::InFlight) {
      pending.changed = true;
      return;
    }
    if (is_new || pending.state == Pending::State::Acknowledged) self.outbox_.push_back(at->first);
    pending.state = Pending::State::Queued;
    self.pump_reports();
  });
}

void Client::Impl::forget_reports(const std::vector<std::string>& task_ids) {
  on_loop([task_ids](Impl& self) {
    for (const auto& id : task_ids) {
      const auto at = self.reports_.find(id);
      if (at == self.reports_.end()) continue;
      if (at->second.state == Pending::State::InFlight) --self.in_flight_;
      if (at->second.state == Pending::State::Queued) std::erase(self.outbox_, id);
      self.reports_.erase(at);
    }
  });
}

// A new connection may lead to a server that has heard nothing yet: everything is said again.
void Client::Impl::queue_reports() {
  outbox_.clear();
  in_flight_ = 0;
  for (auto& [id, pending] : reports_) {
    pending.state = Pending::State::Queued;
    pending.changed = false;
    outbox_.push_back(id);
  }
  pump_reports();
}

void Client::Impl::pump_reports() {
  while (live_ && in_flight_ < kReportsInFlight && !outbox_.empty()) {
    Pending& pending = reports_.at(outbox_.front());
    outbox_.pop_front();
    pending.state = Pending::State::InFlight;
    ++in_flight_;
    v1::Frame frame;
    *frame.mutable_report() = pending.report;
    connection_->send(frame, std::exchange(pending.news, false));
  }
}

void Client::Impl::acknowledged(const v1::ReportAck& ack) {
  const auto at = reports_.find(ack.task_id());
  if (at == reports_.end() || at->second.state != Pending::State::InFlight) return;
  --in_flight_;
  if (std::exchange(at->second.changed, false)) {
    at->second.state = Pending::State::Queued;
    outbox_.push_back(at->first);
  } else {
    at->second.state = Pending::State::Acknowledged;
  }
  pump_reports();
}

// ---- Calls and their streams -----------------------------------------------------------------------------------

void Client::Impl::call(const v1::Call& call) {
  const std::uint64_t id = next_call_++;
  {
    const std::lock_guard lock(mutex_);
    calls_[id] = {.remote = call.id(),
                  .credit = call.credit(),
                  .window = call.credit(),
                  .input_credit = 0,
                  .news = call.method() == berth::v1::METHOD_LAUNCH_START || call.method() == berth::v1::METHOD_LAUNCH_STOP};
  }
  if (!events_.call) return done(id, BERTH_UNIMPLEMENTED, {});
  events_.call({.id = id, .method = call.method(), .request = call.request(),
                .timeout = std::chrono::milliseconds(call.timeout_ms())});
}

void Client::Impl::cancel(const v1::Cancel& cancel) {
  std::uint64_t id = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto at = std::find_if(calls_.begin(), calls_.end(), [&](const auto& c) { return c.second.remote == cancel.id(); });
    if (at == calls_.end()) return;
    id = at->first;
    calls_.erase(at);
  }
  changed_.notify_all();
  if (events_.cancel) events_.cancel(id);
}

void Client::Impl::credit(const v1::Credit& credit) {
  {
    const std::lock_guard lock(mutex_);
    const auto at = std::find_if(calls_.begin(), calls_.end(), [&](const auto& c) { return c.second.remote == credit.call(); });
    if (at == calls_.end()) return;
    at->second.credit += credit.bytes();
    at->second.window = std::max(at->second.window, at->second.credit);
  }
  changed_.notify_all();
}

void Client::Impl::input(v1::Input&& input) {
  std::uint64_t id = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto at = std::find_if(calls_.begin(), calls_.end(), [&](const auto& c) { return c.second.remote == input.call(); });
    if (at == calls_.end()) return;  // it has ended meanwhile
    const std::size_t size = input.write().data().size();
    if (size <= at->second.input_credit) id = at->first;
    at->second.input_credit -= id != 0 ? size : 0;
  }
  if (id == 0) return fault("more input of a stream than was granted");
  if (events_.input) events_.input(id, std::move(*input.mutable_write()));
}

void Client::Impl::grant_input(std::uint64_t call, std::uint32_t bytes) {
  on_loop([call, bytes](Impl& self) {
    v1::Frame frame;
    {
      const std::lock_guard lock(self.mutex_);
      const auto at = self.calls_.find(call);
      if (at == self.calls_.end()) return;
      at->second.input_credit += bytes;
      frame.mutable_chunk()->set_call(at->second.remote);
    }
    frame.mutable_chunk()->mutable_chunk()->set_input_credit_bytes(bytes);
    if (self.connection_) self.connection_->send(frame);
  });
}

void Client::Impl::drop_calls() {
  std::map<std::uint64_t, OpenCall> dropped;
  {
    const std::lock_guard lock(mutex_);
    dropped.swap(calls_);
  }
  changed_.notify_all();
  for (const auto& [id, call] : dropped) {
    if (events_.cancel) events_.cancel(id);
  }
}

void Client::Impl::done(std::uint64_t call, berth_status status, std::string payload) {
  on_loop([call, status, payload = std::move(payload)](Impl& self) mutable {
    v1::Frame frame;
    bool news = false;
    {
      const std::lock_guard lock(self.mutex_);
      const auto at = self.calls_.find(call);
      if (at == self.calls_.end()) return;  // cancelled, or of a connection that is gone
      news = at->second.news;
      frame.mutable_done()->set_id(at->second.remote);
      self.calls_.erase(at);
    }
    self.changed_.notify_all();
    frame.mutable_done()->set_status(status);
    frame.mutable_done()->set_payload(std::move(payload));
    if (self.connection_) self.connection_->send(frame, news);
  });
}

sdk::Result<void> Client::Impl::write_chunk(std::uint64_t call, berth::v1::StreamChunk chunk, std::stop_token stop) {
  std::string data = std::move(*chunk.mutable_data());
  std::size_t sent = 0;
  while (sent < data.size()) {
    std::unique_lock lock(mutex_);
    // Whole pieces where the window allows them at all: a stream of records is split only where it must be.
    const auto enough = [&] {
      const auto at = calls_.find(call);
      if (at == calls_.end()) return true;
      const std::size_t piece = std::min(data.size() - sent, kChunkLimit);
      return at->second.credit > 0 && at->second.credit >= std::min<std::uint64_t>(piece, at->second.window);
    };
    changed_.wait(lock, stop, enough);
    const auto at = calls_.find(call);
    if (at == calls_.end() || stop.stop_requested()) return sdk::fail(BERTH_CANCELLED, "the stream has ended");
    const std::size_t piece = std::min<std::size_t>({data.size() - sent, kChunkLimit, at->second.credit});
    at->second.credit -= piece;
    const std::uint64_t remote = at->second.remote;
    lock.unlock();
    v1::Frame frame;
    frame.mutable_chunk()->set_call(remote);
    *frame.mutable_chunk()->mutable_chunk() = chunk;
    frame.mutable_chunk()->mutable_chunk()->set_data(data.substr(sent, piece));
    sent += piece;
    on_loop([call, frame = std::move(frame)](Impl& self) {
      {
        const std::lock_guard held(self.mutex_);
        if (!self.calls_.contains(call)) return;
      }
      if (self.connection_) self.connection_->send(frame);
    });
  }
  return {};
}

// ---- Questions -------------------------------------------------------------------------------------------------

void Client::Impl::ask(berth::v1::Ask question, std::chrono::milliseconds timeout, Answered answered) {
  loop_.post([weak = weak_from_this(), question = std::move(question), timeout, answered = std::move(answered)]() mutable {
    const auto self = weak.lock();
    if (!self || self->ended_) return answered(BERTH_CANCELLED, {});
    const std::uint64_t id = self->next_ask_++;
    question.set_ask_id(id);
    OpenAsk& open = self->asks_[id];
    open.question = std::move(question);
    open.answered = std::move(answered);
    open.timer = self->loop_.after(timeout, [raw = self.get(), id] { raw->end_ask(id, BERTH_DEADLINE, {}); });
    if (!self->live_) return;
    v1::Frame frame;
    *frame.mutable_ask() = open.question;
    self->connection_->send(frame);
  });
}

void Client::Impl::send_asks() {
  for (const auto& [id, ask] : asks_) {
    v1::Frame frame;
    *frame.mutable_ask() = ask.question;
    connection_->send(frame);
  }
}

void Client::Impl::answered(const berth::v1::Answer& answer) {
  end_ask(answer.ask_id(), answer.status(), answer.response());
}

void Client::Impl::end_ask(std::uint64_t id, berth_status status, std::string response) {
  const auto at = asks_.find(id);
  if (at == asks_.end()) return;
  const auto answered = std::move(at->second.answered);
  asks_.erase(at);
  answered(status, std::move(response));
}

// ---- Interfaces

void Client::Impl::put_interface(v1::Interface interface) {
  on_loop([interface = std::move(interface)](Impl& self) mutable {
    v1::Interface& known = self.interfaces_[interface.address()];
    if (known.SerializeAsString() == interface.SerializeAsString()) return;
    known = std::move(interface);
    if (!self.live_) return;
    v1::Frame frame;
    *frame.mutable_interfaces()->add_added() = known;
    frame.mutable_interfaces()->set_host_address(self.config_.host_address);
    self.connection_->send(frame);
  });
}

void Client::Impl::drop_interface(const std::string& address) {
  on_loop([address](Impl& self) {
    if (self.interfaces_.erase(address) == 0 || !self.live_) return;
    v1::Frame frame;
    frame.mutable_interfaces()->add_removed(address);
    frame.mutable_interfaces()->set_host_address(self.config_.host_address);
    self.connection_->send(frame);
  });
}

void Client::Impl::send_interfaces() {
  v1::Frame frame;
  v1::Interfaces& all = *frame.mutable_interfaces();
  all.set_snapshot(true);
  all.set_host_address(config_.host_address);
  for (const auto& [address, interface] : interfaces_) *all.add_added() = interface;
  connection_->send(frame);
}

}  // namespace berth::fleet
