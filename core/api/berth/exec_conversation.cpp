// SPDX-License-Identifier: Apache-2.0
#include "core/api/berth/exec_conversation.hpp"

#include <algorithm>
#include <deque>
#include <mutex>
#include <optional>

#include "core/model/exec_frames.hpp"

namespace berth::api {
namespace {

// What this process holds for one client at most, whatever the client grants.
constexpr std::uint64_t kWindow = 256 * 1024;

std::size_t cost_of(const exec::Frame& frame) {
  if (const auto* data = std::get_if<exec::Data>(&frame)) return data->bytes.size();
  if (const auto* errors = std::get_if<exec::Errors>(&frame)) return errors->bytes.size();
  return 0;
}

}  // namespace

// The meeting point of the source's thread and the connection's.
class ExecConversation::Outbox final : public ExecSink {
 public:
  void output(v1::StreamChunk::Channel channel, std::string data) override {
    exec::Frame frame = exec::Data{};
    if (channel == v1::StreamChunk::CHANNEL_STDERR) {
      frame = exec::Errors{std::move(data)};
    } else {
      frame = exec::Data{std::move(data)};
    }
    put([&] { frames_.push_back(std::move(frame)); });
  }
  void input_credit(std::uint32_t bytes) override {
    put([&] { credit_ += bytes; });
  }
  void end(Result<int> code) override {
    put([&] {
      ended_ = true;
      frames_.push_back(code ? exec::Frame(exec::Exit{*code})
                             : exec::Frame(exec::Failure{code.error().message}));
    });
  }
  void on_news(std::function<void()> wake) {
    const std::lock_guard lock(mutex_);
    wake_ = std::move(wake);
  }

  std::uint32_t take_credit() {
    const std::lock_guard lock(mutex_);
    return std::exchange(credit_, 0);
  }
  std::optional<exec::Frame> take() {
    const std::lock_guard lock(mutex_);
    if (frames_.empty()) return std::nullopt;
    exec::Frame first = std::move(frames_.front());
    frames_.pop_front();
    return first;
  }

 private:
  template <typename Change>
  void put(const Change& change) {
    std::function<void()> wake;
    {
      const std::lock_guard lock(mutex_);
      if (ended_) return;
      change();
      wake = wake_;
    }
    if (wake) wake();
  }

  std::mutex mutex_;
  std::function<void()> wake_;
  std::deque<exec::Frame> frames_;
  std::uint32_t credit_ = 0;
  bool ended_ = false;
};

ExecConversation::ExecConversation(ExecSource& source, ExecQuery query)
    : source_(source), query_(std::move(query)), outbox_(std::make_shared<Outbox>()) {}

ExecConversation::~ExecConversation() {
  outbox_->on_news({});
}

void ExecConversation::start(std::function<void()> wake) {
  outbox_->on_news(std::move(wake));
  stream_ = source_.open(query_, outbox_);
}

Result<void> ExecConversation::message(std::string_view bytes) {
  auto frame = exec::decode(bytes);
  if (!frame) return tl::unexpected(frame.error());
  const auto refuse = [](const char* why) { return fail(Errc::Invalid, why, Subject::Request); };
  v1::StreamWrite write;
  if (auto* data = std::get_if<exec::Data>(&*frame)) {
    if (data->bytes.size() > input_credit_) return refuse("There is more input than was granted.");
    input_credit_ -= data->bytes.size();
    write.set_data(std::move(data->bytes));
  } else if (std::holds_alternative<exec::EndOfInput>(*frame)) {
    write.set_end_of_input(true);
  } else if (const auto* size = std::get_if<exec::Resize>(&*frame)) {
    write.mutable_resize()->set_rows(size->rows);
    write.mutable_resize()->set_columns(size->columns);
  } else if (auto* signal = std::get_if<exec::Signal>(&*frame)) {
    write.set_signal(std::move(signal->name));
  } else if (const auto* credit = std::get_if<exec::Credit>(&*frame)) {
    wanted_ += credit->bytes;
    grant_more();
    return {};
  } else if (std::holds_alternative<exec::Unknown>(*frame)) {
    return {};
  } else {
    return refuse("A message of this kind is the server's to send.");
  }
  stream_->write(std::move(write));
  return {};
}

http::Conversation::Pulled ExecConversation::pull(std::string& out) {
  // The last piece is on its way: another may take its place.
  under_way_ -= std::min(under_way_, std::exchange(sent_, 0));
  grant_more();
  if (said_end_) return Pulled::End;
  if (const std::uint32_t credit = outbox_->take_credit(); credit > 0) {
    input_credit_ += credit;
    out = exec::encode(exec::Credit{credit});
    return Pulled::Message;
  }
  const auto frame = outbox_->take();
  if (!frame) return Pulled::Nothing;
  sent_ = cost_of(*frame);
  said_end_ =
      std::holds_alternative<exec::Exit>(*frame) || std::holds_alternative<exec::Failure>(*frame);
  out = exec::encode(*frame);
  return Pulled::Message;
}

void ExecConversation::grant_more() {
  const std::uint64_t bytes = std::min(wanted_, kWindow - std::min(kWindow, under_way_));
  if (bytes == 0) return;
  wanted_ -= bytes;
  under_way_ += bytes;
  stream_->grant(static_cast<std::uint32_t>(bytes));
}

}  // namespace berth::api
