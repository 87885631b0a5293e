// SPDX-License-Identifier: Apache-2.0
// The bytes of one exec or logs call, both ways, within the credit that the host grants. A handle,
// cheap to copy.
//
// Threads: any; chunks leave in the order of send() where one thread at a time sends.
// Valid until: always; after its call has completed, what is sent is dropped.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "berth/detail/link.hpp"
#include "berth/v1/stream.pb.h"

namespace berth::sdk {

class Stream {
 public:
  using Channel = v1::StreamChunk::Channel;
  static constexpr std::size_t kChunkMax = 64 * 1024;

  // Made by the SDK for each exec and logs call.
  Stream(std::shared_ptr<detail::Link> link, std::uint64_t id, std::uint32_t credit)
      : state_(std::make_shared<State>(std::move(link), id, credit)) {
    state_->link->add_stream(id, state_);
  }

  [[nodiscard]] std::uint64_t id() const { return state_->id; }

  // Sends what the credit allows and keeps the rest until more is granted. True: go on. False: wait
  // for on_ready before sending more, as all that is kept lies in memory. Nothing is lost either
  // way.
  bool send(Channel channel, std::string_view data) const { return state_->send(channel, data); }

  // One message on CHANNEL_RECORDS, with its length before it. As send().
  template <typename Message>
  bool send_record(const Message& record) const {
    const std::string body = record.SerializeAsString();
    std::string framed;
    for (std::size_t size = body.size();; size >>= 7) {
      framed.push_back(static_cast<char>(size < 0x80 ? size : (size & 0x7f) | 0x80));
      if (size < 0x80) break;
    }
    return send(v1::StreamChunk::CHANNEL_RECORDS, framed + body);
  }

  // True when all that was sent has left.
  [[nodiscard]] bool is_ready() const { return state_->is_ready(); }

  // `callback` runs each time that all that was kept has left. It may send.
  void on_ready(std::function<void()> callback) const { state_->set_ready(std::move(callback)); }

  // Lets the host write so many more bytes of input; at first it may write none.
  void grant_input(std::uint32_t bytes) const { state_->grant_input(bytes); }

  // `callback` runs for what the host writes, in order; what came before it is given to it at once.
  void on_input(std::function<void(const v1::StreamWrite&)> callback) const {
    state_->set_input(std::move(callback));
  }

  // `callback` runs for each grant: for a plugin that passes credit on to the one who sends.
  void on_credit(std::function<void(std::uint32_t)> callback) const {
    state_->set_credit(std::move(callback));
  }

 private:
  class State final : public detail::StreamSink {
   public:
    State(std::shared_ptr<detail::Link> l, std::uint64_t i, std::uint32_t credit)
        : link(std::move(l)), id(i), credit_(credit) {}
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() override { link->remove_stream(id); }

    bool send(Channel channel, std::string_view data) {
      const std::lock_guard lock(mutex_);
      if (!pending_.empty() && pending_.back().channel == channel) {
        pending_.back().data.append(data);
      } else if (!data.empty()) {
        pending_.push_back({channel, std::string(data)});
      }
      flush();
      return pending_.empty();
    }

    bool is_ready() {
      const std::lock_guard lock(mutex_);
      return pending_.empty();
    }
    void set_ready(std::function<void()> callback) {
      const std::lock_guard lock(mutex_);
      ready_ = std::move(callback);
    }
    void set_credit(std::function<void(std::uint32_t)> callback) {
      const std::lock_guard lock(mutex_);
      granted_ = std::move(callback);
    }
    void set_input(std::function<void(const v1::StreamWrite&)> callback) {
      const std::lock_guard lock(mutex_);
      input_ = std::move(callback);
      if (!input_) return;
      for (const v1::StreamWrite& write : std::exchange(unread_, {})) input_(write);
      unread_bytes_ = 0;
    }

    void grant_input(std::uint32_t bytes) {
      const std::lock_guard lock(mutex_);
      input_credit_ += bytes;
      v1::StreamChunk chunk;
      chunk.set_stream_id(id);
      chunk.set_input_credit_bytes(bytes);
      [[maybe_unused]] const auto told = link->emit(v1::EVENT_STREAM, chunk.SerializeAsString());
    }

    berth_status on_write(std::string_view payload) override {
      v1::StreamWrite write;
      if (!write.ParseFromArray(payload.data(), static_cast<int>(payload.size())) ||
          write.data().size() > kChunkMax) {
        return BERTH_INVALID;
      }
      const std::lock_guard lock(mutex_);
      if (write.data().size() > input_credit_) return BERTH_INVALID;
      input_credit_ -= write.data().size();
      if (input_) {
        input_(write);
        return BERTH_OK;
      }
      if (unread_bytes_ + payload.size() > kUnreadMax) return BERTH_NO_CAPACITY;
      unread_bytes_ += payload.size() + kEntryCost;
      unread_.push_back(std::move(write));
      return BERTH_OK;
    }

    void on_credit(std::uint32_t bytes) override {
      std::function<void()> ready;
      std::function<void(std::uint32_t)> granted;
      {
        const std::lock_guard lock(mutex_);
        credit_ += bytes;
        const bool was_waiting = !pending_.empty();
        flush();
        if (was_waiting && pending_.empty()) ready = ready_;
        granted = granted_;
      }
      if (granted) granted(bytes);
      if (ready) ready();
    }

    const std::shared_ptr<detail::Link> link;
    const std::uint64_t id;

   private:
    struct Piece {
      Channel channel;
      std::string data;
    };
    static constexpr std::size_t kUnreadMax = 1024 * 1024;
    static constexpr std::size_t kEntryCost = 128;  // what an empty message costs in memory, about

    // The lock is held over emit, so that chunks keep their order; recursive, as the host may grant
    // from within.
    void flush() {
      if (flushing_) return;  // the outer call goes on with what has come
      flushing_ = true;
      while (credit_ > 0 && !pending_.empty()) {
        Piece& piece = pending_.front();
        const std::size_t size = std::min({piece.data.size(), kChunkMax, credit_});
        v1::StreamChunk chunk;
        chunk.set_stream_id(id);
        chunk.set_channel(piece.channel);
        chunk.set_data(piece.data.substr(0, size));
        credit_ -= size;
        piece.data.erase(0, size);
        if (piece.data.empty()) pending_.erase(pending_.begin());
        if (!link->emit(v1::EVENT_STREAM, chunk.SerializeAsString())) pending_.clear();
      }
      flushing_ = false;
    }

    std::recursive_mutex mutex_;
    bool flushing_ = false;
    std::size_t credit_;
    std::size_t input_credit_ = 0;
    std::vector<Piece> pending_;
    std::vector<v1::StreamWrite> unread_;
    std::size_t unread_bytes_ = 0;
    std::function<void()> ready_;
    std::function<void(std::uint32_t)> granted_;
    std::function<void(const v1::StreamWrite&)> input_;
  };
  std::shared_ptr<State> state_;
};

}  // namespace berth::sdk
