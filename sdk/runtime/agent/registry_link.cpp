// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/agent/registry_link.hpp"

#include <memory>
#include <optional>
#include <utility>

#include "berth/v1/registry.pb.h"
#include "sdk/fleet/client.hpp"

namespace berth::runtime {
namespace {

template <typename Response>
sdk::Result<Response> parsed(const sdk::Result<std::string>& bytes) {
  if (!bytes) return bytes.error();
  Response response;
  if (!response.ParseFromString(*bytes)) return sdk::fail(BERTH_INTERNAL, "the control plane's answer cannot be read");
  return response;
}

}  // namespace

void RegistryLink::connect(fleet::Client& client) {
  const std::lock_guard lock(mutex_);
  client_ = &client;
}

void RegistryLink::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

sdk::Result<v1::MirrorsResponse> RegistryLink::mirrors(const v1::MirrorsRequest& request) {
  v1::Ask question;
  question.mutable_mirrors()->set_request(request.SerializeAsString());
  return parsed<v1::MirrorsResponse>(ask(std::move(question)));
}

sdk::Result<v1::AuthorizeResponse> RegistryLink::authorize(const v1::AuthorizeRequest& request) {
  v1::Ask question;
  question.mutable_authorize()->set_request(request.SerializeAsString());
  return parsed<v1::AuthorizeResponse>(ask(std::move(question)));
}

sdk::Result<std::string> RegistryLink::ask(v1::Ask question) {
  // The answer may come when this call is long over.
  struct Waiting {
    std::mutex mutex;
    std::optional<std::pair<berth_status, std::string>> answer;
  };
  auto waiting = std::make_shared<Waiting>();
  std::unique_lock lock(mutex_);
  if (closed_ || !client_) return sdk::fail(BERTH_CANCELLED, "the agent ends");
  client_->ask(std::move(question), patience_, [this, waiting](berth_status status, std::string response) {
    {
      const std::lock_guard held(waiting->mutex);
      waiting->answer.emplace(status, std::move(response));
    }
    // This object outlives the client, and so every answer.
    const std::lock_guard held(mutex_);
    changed_.notify_all();
  });
  const auto answered = [&] {
    const std::lock_guard held(waiting->mutex);
    return closed_ || waiting->answer.has_value();
  };
  changed_.wait(lock, answered);
  const std::lock_guard held(waiting->mutex);
  if (!waiting->answer) return sdk::fail(BERTH_CANCELLED, "the agent ends");
  auto& [status, response] = *waiting->answer;
  if (status == BERTH_OK) return std::move(response);
  v1::Failure failure;
  if (!failure.ParseFromString(response) || failure.message().empty()) {
    failure.set_message(status == BERTH_DEADLINE ? "the control plane does not answer" : "the control plane gave no reason");
  }
  sdk::Error error = sdk::fail(status, failure.message(), failure.field());
  error.reason = failure.reason();
  error.retry_after_ms = failure.retry_after_ms();
  return error;
}

}  // namespace berth::runtime
