// SPDX-License-Identifier: Apache-2.0
#include "sdk/fleet/client.hpp"

#include <algorithm>
#include <future>
#include <utility>

#include "sdk/fleet/client_impl.hpp"
#include "sdk/fleet/frame_name.hpp"

namespace berth::fleet {
namespace {

constexpr std::uint32_t kProtocol = 1;

std::chrono::milliseconds bounded(std::uint32_t ms) {
  return std::chrono::milliseconds(std::clamp<std::uint32_t>(ms, 20, 600'000));
}

}  // namespace

Client::Impl::Impl(ClientConfig config, v1::Registration registration, ClientEvents events, Loop& loop)
    : loop_(loop),
      config_(std::move(config)),
      registration_(std::move(registration)),
      events_(std::move(events)) {}

void Client::Impl::begin() {
  on_loop([](Impl& self) {
    if (self.identity_.removed()) return self.let_go();
    self.dial_now();
  });
}

void Client::Impl::end() {
  auto closed = std::make_shared<std::promise<void>>();
  auto wait = closed->get_future();
  loop_.run([&] {
    if (std::exchange(ended_, true)) return closed->set_value();
    timer_.reset();
    dialling_.reset();
    drop_calls();
    for (auto asks = std::exchange(asks_, {}); auto& [id, ask] : asks) ask.answered(BERTH_CANCELLED, {});
    if (!connection_) return closed->set_value();
    // The handlers hold this object weakly, and `ended_` silences them; the promise alone is told.
    connection_->start({.frame = {}, .closed = [closed](const std::string&) { closed->set_value(); }});
    v1::Frame bye;
    bye.mutable_goodbye()->set_code(v1::Goodbye::CODE_LEAVING);
    connection_->send(bye);
    connection_->close("the agent ends");
    connection_.reset();
  });
  if (!loop_.is_this_thread()) wait.wait_for(std::chrono::milliseconds(1'500));
}

void Client::Impl::dial_now() {
  const bool known = !must_join();
  dialling_ = dial(loop_,
                   {.endpoint = config_.server,
                    .fingerprint = fingerprint_,
                    .certificate = known ? identity_.certificate() : std::string(),
                    .key = known ? identity_.private_key() : std::string(),
                    .timeout = config_.dial_timeout,
                    .connection = {.name = "agent", .frame_limit = kFrameLimit}},
                   [weak = weak_from_this()](sdk::Result<std::shared_ptr<Connection>> result) {
                     if (const auto self = weak.lock(); self && !self->ended_) self->dialled(std::move(result));
                   });
}

void Client::Impl::dialled(sdk::Result<std::shared_ptr<Connection>> result) {
  dialling_.reset();
  if (!result) return retry(result.error().message);
  connection_ = std::move(*result);
  refused_ = false;
  connection_->start({.frame =
                          [weak = weak_from_this()](v1::Frame&& received) {
                            if (const auto self = weak.lock(); self && !self->ended_) self->frame(std::move(received));
                          },
                      .closed =
                          [weak = weak_from_this()](const std::string& why) {
                            if (const auto self = weak.lock(); self && !self->ended_) self->lost(why);
                          }});
  timer_ = loop_.after(config_.dial_timeout, [this] { fault("the server does not answer"); });
  if (must_join()) return join();
  say_hello();
}

void Client::Impl::say_hello() {
  v1::Frame frame;
  auto& hello = *frame.mutable_hello();
  hello.set_protocol(kProtocol);
  hello.set_incarnation(incarnation_);
  *hello.mutable_registration() = registration_;
  connection_->send(frame);
  registration_is_news_ = false;
}

void Client::Impl::frame(v1::Frame&& frame) {
  if (!connection_) return;
  heard_ = Clock::now();
  if (frame.has_goodbye()) return goodbye(frame.goodbye());
  if (!live_) {
    if (frame.has_joined() && must_join()) return joined(frame.joined());
    if (frame.has_welcome() && !must_join()) return welcome(frame.welcome());
    return fault("a " + frame_name(frame) + " frame before welcome");
  }
  switch (frame.body_case()) {
    case v1::Frame::kHeartbeat:
      if (frame.heartbeat().ping() != 0) {
        v1::Frame pong;
        pong.mutable_heartbeat()->set_pong(frame.heartbeat().ping());
        connection_->send(pong);
      }
      return;
    case v1::Frame::kCall: return call(frame.call());
    case v1::Frame::kCancel: return cancel(frame.cancel());
    case v1::Frame::kCredit: return credit(frame.credit());
    case v1::Frame::kInput: return input(std::move(*frame.mutable_input()));
    case v1::Frame::kReportAck: return acknowledged(frame.report_ack());
    case v1::Frame::kAnswer: return answered(frame.answer());
    case v1::Frame::kRenew: return renew();
    case v1::Frame::kCertificate: return renewed(frame.certificate());
    case v1::Frame::kPeers:
      if (events_.peers) events_.peers(frame.peers(), connection_->peer());
      return;
    case v1::Frame::BODY_NOT_SET: return;  // of a newer server
    default: return fault("a " + frame_name(frame) + " frame is not a server's to send now");
  }
}

void Client::Impl::welcome(const v1::Welcome& welcome) {
  live_ = true;
  backoff_ = std::chrono::milliseconds(0);
  last_complaint_.clear();
  heartbeat_ = bounded(welcome.heartbeat_ms());
  dead_after_ = bounded(welcome.dead_after_ms());
  due_ = Clock::now();
  heartbeat();
  log(BERTH_LOG_INFO, "connected to " + config_.server.text() + " as node " + identity_.node_id());
  if (events_.connected) events_.connected(identity_.node_id());
  if (registration_is_news_) send_registration();  // it came after the hello
  // Before reports: a task that others are to reach is reported only after.
  send_interfaces();
  send_asks();
  queue_reports();
}

void Client::Impl::heartbeat() {
  const auto now = Clock::now();
  const bool overslept = now - due_ > dead_after_ / 2;  // as the server's
  if (!overslept && now - heard_ > dead_after_) {
    return fault("the server was silent for " + std::to_string(dead_after_.count()) + " ms");
  }
  v1::Frame beat;
  beat.mutable_heartbeat();
  connection_->send(beat);
  due_ = now + heartbeat_;
  timer_ = loop_.after(heartbeat_, [this] { heartbeat(); });
}

// The connection's end calls lost().
void Client::Impl::fault(const std::string& why) {
  timer_.reset();
  if (connection_) connection_->close(why);
}

void Client::Impl::lost(const std::string& why) {
  timer_.reset();  // of the heartbeat: what follows may set none
  connection_.reset();
  const bool was_live = std::exchange(live_, false);
  drop_calls();
  new_key_.clear();
  if (was_live && events_.disconnected) events_.disconnected(why);
  if (identity_.removed()) return let_go();
  if (std::exchange(dial_again_, false)) return dial_now();
  retry(why);
}

void Client::Impl::retry(const std::string& why) {
  if (why != last_complaint_) log(BERTH_LOG_WARN, why + "; will try again");
  last_complaint_ = why;
  if (refused_) {
    backoff_ = config_.refused_backoff;
  } else {
    backoff_ = std::min(config_.backoff_most, backoff_.count() == 0 ? config_.backoff_first : backoff_ * 2);
  }
  // Between half and all of it, so that a fleet does not come back in step.
  std::uniform_int_distribution<std::int64_t> spread(backoff_.count() / 2, backoff_.count());
  timer_ = loop_.after(std::chrono::milliseconds(spread(jitter_)), [this] { dial_now(); });
}

void Client::Impl::log(int level, const std::string& message) {
  if (events_.log) events_.log(level, message);
}

std::string Client::Impl::node_id() const {
  const std::lock_guard lock(mutex_);
  return identity_.node_id();
}

void Client::Impl::update(v1::Registration registration) {
  on_loop([registration = std::move(registration)](Impl& self) mutable {
    self.registration_ = std::move(registration);
    self.registration_is_news_ = true;
    if (self.live_) self.send_registration();
  });
}

void Client::Impl::send_registration() {
  v1::Frame frame;
  *frame.mutable_registration() = registration_;
  connection_->send(frame);
  registration_is_news_ = false;
}

// ---- Client ----------------------------------------------------------------------------------------------------

sdk::Result<std::unique_ptr<Client>> Client::open(ClientConfig config, v1::Registration registration,
                                                  ClientEvents events, std::shared_ptr<Loop> loop) {
  if (!loop) loop = std::make_shared<Loop>();
  auto impl = std::make_shared<Impl>(std::move(config), std::move(registration), std::move(events), *loop);
  if (auto opened = impl->open(); !opened) return opened.error();
  return std::unique_ptr<Client>(new Client(std::move(loop), std::move(impl)));
}

Client::Client(std::shared_ptr<Loop> loop, std::shared_ptr<Impl> impl)
    : loop_(std::move(loop)), impl_(std::move(impl)) {}
Client::~Client() { impl_->end(); }
void Client::start() { impl_->begin(); }
void Client::update(v1::Registration registration) { impl_->update(std::move(registration)); }
void Client::report(berth::v1::TaskReport report) { impl_->report(std::move(report), true); }
void Client::restore(berth::v1::TaskReport report) { impl_->report(std::move(report), false); }
void Client::forget_reports(const std::vector<std::string>& task_ids) { impl_->forget_reports(task_ids); }
void Client::put_interface(v1::Interface interface) {
  impl_->put_interface(std::move(interface));
}
void Client::drop_interface(const std::string& address) {
  impl_->drop_interface(address);
}
void Client::done(std::uint64_t call, berth_status status, std::string payload) {
  impl_->done(call, status, std::move(payload));
}
sdk::Result<void> Client::write_chunk(std::uint64_t call, berth::v1::StreamChunk chunk, std::stop_token stop) {
  return impl_->write_chunk(call, std::move(chunk), std::move(stop));
}
void Client::grant_input(std::uint64_t call, std::uint32_t bytes) { impl_->grant_input(call, bytes); }
void Client::ask(berth::v1::Ask question, std::chrono::milliseconds timeout, Answered answered) {
  impl_->ask(std::move(question), timeout, std::move(answered));
}
std::string Client::node_id() const { return impl_->node_id(); }

}  // namespace berth::fleet
