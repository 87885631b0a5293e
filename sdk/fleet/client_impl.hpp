// SPDX-License-Identifier: Apache-2.0
// Inside of the fleet client: the way from dialling to being welcome, and what goes over a connection then.
//
// Threads: [loop] but for what Client itself calls.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <random>

#include "sdk/fleet/client.hpp"
#include "sdk/fleet/secret.hpp"

namespace berth::fleet {

class Client::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(ClientConfig config, v1::Registration registration, ClientEvents events, Loop& loop);

  sdk::Result<void> open();
  void begin();
  // Ends all; waits for the good-bye to be sent where it can.
  void end();

  void update(v1::Registration registration);
  void report(berth::v1::TaskReport report, bool news);
  void forget_reports(const std::vector<std::string>& task_ids);
  void put_interface(v1::Interface interface);
  void drop_interface(const std::string& address);
  void done(std::uint64_t call, berth_status status, std::string payload);
  sdk::Result<void> write_chunk(std::uint64_t call, berth::v1::StreamChunk chunk, std::stop_token stop);
  void grant_input(std::uint64_t call, std::uint32_t bytes);
  void ask(berth::v1::Ask question, std::chrono::milliseconds timeout, Answered answered);
  std::string node_id() const;

 private:
  using Clock = std::chrono::steady_clock;

  struct Pending {
    berth::v1::TaskReport report;
    enum class State { Queued, InFlight, Acknowledged } state = State::Queued;
    bool changed = false;  // while in flight
    bool news = false;     // has never been sent
  };
  struct OpenAsk {
    berth::v1::Ask question;
    Answered answered;
    Loop::Timer timer;
  };
  struct OpenCall {
    std::uint64_t remote = 0;  // the server's number for it, on this connection
    std::uint64_t credit = 0;
    std::uint64_t window = 0;  // the most credit there ever was
    std::uint64_t input_credit = 0;
    bool news = false;         // starts or stops a task
  };

  // client.cpp: the connection
  void dial_now();
  void dialled(sdk::Result<std::shared_ptr<Connection>> result);
  void frame(v1::Frame&& frame);
  void say_hello();
  void send_registration();
  void welcome(const v1::Welcome& welcome);
  void heartbeat();
  void lost(const std::string& why);
  void retry(const std::string& why);
  void fault(const std::string& why);
  void log(int level, const std::string& message);
  template <typename Work>
  void on_loop(Work work);

  // client_identity.cpp: who this agent is
  [[nodiscard]] bool must_join() const { return identity_.node_id().empty() || expired_; }
  void join();
  void joined(const v1::Joined& joined);
  void renew();
  void renewed(const v1::Certificate& certificate);
  // On disk first, then in use.
  sdk::Result<void> keep(const v1::StoredIdentity& identity);
  void goodbye(const v1::Goodbye& goodbye);
  // The fleet has let this node go: nothing is dialled any more.
  void let_go();

  // client_reports.cpp: what goes over it
  void call(const v1::Call& call);
  void cancel(const v1::Cancel& cancel);
  void credit(const v1::Credit& credit);
  void input(v1::Input&& input);
  void drop_calls();
  void send_interfaces();
  void queue_reports();
  void pump_reports();
  void acknowledged(const v1::ReportAck& ack);
  void send_asks();
  void answered(const berth::v1::Answer& answer);
  void end_ask(std::uint64_t id, berth_status status, std::string response);

  Loop& loop_;  // Client's: this object may die on it, and a loop cannot end itself
  ClientConfig config_;
  v1::Registration registration_;
  bool registration_is_news_ = false;  // not said on this connection
  ClientEvents events_;
  std::string fingerprint_;
  JoinToken token_;
  const std::string incarnation_ = random_hex(16);
  std::minstd_rand jitter_{std::random_device{}()};

  std::shared_ptr<void> dialling_;
  std::shared_ptr<Connection> connection_;
  bool live_ = false;
  bool ended_ = false;
  bool expired_ = false;       // the certificate has, so the server says
  bool dial_again_ = false;    // at once, when this connection is gone: it has joined
  std::string new_key_;        // PKCS#8 in DER, while a certificate for it is asked for
  bool refused_ = false;       // the last good-bye was one that only a person can mend
  std::string last_complaint_; // logged once, not each time
  std::chrono::milliseconds backoff_{0};
  std::chrono::milliseconds heartbeat_{0};
  std::chrono::milliseconds dead_after_{0};
  Clock::time_point heard_{};
  Clock::time_point due_{};
  Loop::Timer timer_;

  std::map<std::string, Pending> reports_;
  std::deque<std::string> outbox_;  // tasks whose report is Queued
  std::size_t in_flight_ = 0;
  std::map<std::string, v1::Interface> interfaces_;  // by address
  std::map<std::uint64_t, OpenAsk> asks_;
  std::uint64_t next_ask_ = 1;
  std::uint64_t next_call_ = 1;

  mutable std::mutex mutex_;  // of what follows; write_chunk() waits on it
  std::condition_variable_any changed_;
  v1::StoredIdentity identity_;
  std::map<std::uint64_t, OpenCall> calls_;
};

template <typename Work>
void Client::Impl::on_loop(Work work) {
  loop_.post([weak = weak_from_this(), work = std::move(work)]() mutable {
    if (const auto self = weak.lock(); self && !self->ended_) work(*self);
  });
}

}  // namespace berth::fleet
