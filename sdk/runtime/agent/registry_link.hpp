// SPDX-License-Identifier: Apache-2.0
// Registry access by asking the control plane, over the agent's connection.
//
// Threads: any. Errors: what the registry plugin says; DEADLINE without an answer in time; CANCELLED after close().
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>

#include "berth/v1/plugin.pb.h"
#include "sdk/runtime/image/registry_access.hpp"

namespace berth::fleet {
class Client;
}

namespace berth::runtime {

class RegistryLink final : public image::RegistryAccess {
 public:
  // The client must outlive the last call, and be told before the first.
  explicit RegistryLink(std::chrono::milliseconds patience) : patience_(patience) {}
  void connect(fleet::Client& client);

  // Lets every waiting call go; later ones fail at once.
  void close();

  sdk::Result<v1::MirrorsResponse> mirrors(const v1::MirrorsRequest& request) override;
  sdk::Result<v1::AuthorizeResponse> authorize(const v1::AuthorizeRequest& request) override;

 private:
  [[nodiscard]] sdk::Result<std::string> ask(v1::Ask question);

  const std::chrono::milliseconds patience_;
  std::mutex mutex_;
  std::condition_variable changed_;
  fleet::Client* client_ = nullptr;
  bool closed_ = false;
};

}  // namespace berth::runtime
