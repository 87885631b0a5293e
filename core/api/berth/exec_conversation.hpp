// SPDX-License-Identifier: Apache-2.0
// Between one client's websocket and the command it runs: frames, and credit both ways.
//
// Threads: as http::Conversation.
#pragma once

#include <memory>
#include <string>

#include "core/api/exec_source.hpp"
#include "core/api/http/message.hpp"

namespace berth::api {

class ExecConversation final : public http::Conversation {
 public:
  // Runs the query's command once it is started. `source` must outlive this.
  ExecConversation(ExecSource& source, ExecQuery query);
  ~ExecConversation() override;

  void start(std::function<void()> wake) override;
  [[nodiscard]] Result<void> message(std::string_view bytes) override;
  [[nodiscard]] Pulled pull(std::string& out) override;

 private:
  class Outbox;
  void grant_more();

  ExecSource& source_;
  ExecQuery query_;
  std::shared_ptr<Outbox> outbox_;
  std::unique_ptr<ExecStream> stream_;
  std::uint64_t wanted_ =
      0;  // output that the client has granted and the source was not yet asked for
  std::uint64_t under_way_ = 0;     // granted to the source and not yet sent to the client
  std::uint64_t sent_ = 0;          // by the last pull
  std::uint64_t input_credit_ = 0;  // of the client
  bool said_end_ = false;
};

}  // namespace berth::api
