// SPDX-License-Identifier: Apache-2.0
// What a plugin may tell and ask its host (berthd or berth-agent). A handle, cheap to copy.
//
// Threads: any, but settings(). Nothing here blocks. Events are dropped before activate and after
// the instance has ended; a dropped event before activate is logged. Valid until: always; after the
// instance has ended its functions do nothing, and callbacks of questions have run.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "berth/detail/link.hpp"
#include "berth/settings.hpp"
#include "berth/v1/credentials.pb.h"
#include "berth/v1/host.pb.h"
#include "berth/v1/launch.pb.h"
#include "berth/v1/registry.pb.h"

namespace berth::sdk {

class Host {
 public:
  Host(std::shared_ptr<detail::Link> link, std::shared_ptr<Settings> settings)
      : link_(std::move(link)), settings_(std::move(settings)) {}

  // ---- Configuration ----
  [[nodiscard]] Settings& settings() const { return *settings_; }  // in constructors only
  [[nodiscard]] const v1::PluginConfig& config() const { return link_->config(); }
  // A directory of the plugin's own; empty where it may store nothing.
  [[nodiscard]] const std::string& data_dir() const { return config().data_dir(); }

  // ---- Log: one line without line end, never a secret ----
  void debug(std::string_view line) const { link_->log(BERTH_LOG_DEBUG, line); }
  void info(std::string_view line) const { link_->log(BERTH_LOG_INFO, line); }
  void warn(std::string_view line) const { link_->log(BERTH_LOG_WARN, line); }
  void error(std::string_view line) const { link_->log(BERTH_LOG_ERROR, line); }

  // ---- Events ----
  // Inventory is easier through LaunchType::inventory().
  void report(const v1::InventorySnapshot& event) const { emit(v1::EVENT_LAUNCH_INVENTORY, event); }
  void report(const v1::InventoryDelta& event) const {
    emit(v1::EVENT_LAUNCH_INVENTORY_DELTA, event);
  }
  void report(const v1::TaskReport& event) const { emit(v1::EVENT_LAUNCH_TASK, event); }
  void report(const v1::NodeNotice& event) const { emit(v1::EVENT_LAUNCH_NODE, event); }
  void report(const v1::CapacityReport& event) const { emit(v1::EVENT_LAUNCH_CAPACITY, event); }
  void report(const v1::DeviceReport& event) const { emit(v1::EVENT_HOST_DEVICES, event); }
  // Bytes that are the event's message already: passed on unread, unknown fields and all.
  void report_bytes(v1::Event event, std::string_view payload) const { send(event, payload); }

  // ---- Questions: the callback runs once, on any thread, and must not block ----
  // Errors of all: what the plugin says that is asked; NotFound where none serves that registry, or
  // none knows the role; Cancelled at the end.
  void mirrors(const v1::MirrorsRequest& request,
               std::function<void(Result<v1::MirrorsResponse>)> callback) const {
    mirrors_bytes(request.SerializeAsString(), decoded(std::move(callback)));
  }
  void authorize(const v1::AuthorizeRequest& request,
                 std::function<void(Result<v1::AuthorizeResponse>)> callback) const {
    authorize_bytes(request.SerializeAsString(), decoded(std::move(callback)));
  }
  // Credentials of a task that this launch type plugin runs: the core knows which role it has.
  void task_credentials(const v1::TaskCredentialsRequest& request,
                        std::function<void(Result<std::string>)> callback) const {
    v1::Ask ask;
    ask.mutable_task_credentials()->set_request(request.SerializeAsString());
    link_->ask(std::move(ask), std::move(callback));
  }
  // Credentials of a role, for a registry plugin.
  void assume_role(const v1::AssumeRoleRequest& request,
                   std::function<void(Result<v1::RoleCredentials>)> callback) const {
    v1::Ask ask;
    ask.mutable_assume_role()->set_request(request.SerializeAsString());
    link_->ask(std::move(ask), decoded(std::move(callback)));
  }
  // The same with serialised messages, for a plugin that passes them on unread.
  void mirrors_bytes(std::string request, std::function<void(Result<std::string>)> callback) const {
    v1::Ask ask;
    ask.mutable_mirrors()->set_request(std::move(request));
    link_->ask(std::move(ask), std::move(callback));
  }
  void authorize_bytes(std::string request,
                       std::function<void(Result<std::string>)> callback) const {
    v1::Ask ask;
    ask.mutable_authorize()->set_request(std::move(request));
    link_->ask(std::move(ask), std::move(callback));
  }

 private:
  template <typename Message>
  void emit(v1::Event event, const Message& message) const {
    send(event, message.SerializeAsString());
  }
  void send(v1::Event event, std::string_view payload) const {
    const Result<void> sent = link_->emit(static_cast<std::uint32_t>(event), payload);
    if (!sent && sent.error().status != BERTH_CANCELLED) {
      link_->log(BERTH_LOG_ERROR, "event " + std::to_string(static_cast<int>(event)) +
                                      " dropped: " + sent.error().message);
    }
  }

  template <typename Response>
  static std::function<void(Result<std::string>)> decoded(
      std::function<void(Result<Response>)> callback) {
    return [callback = std::move(callback)](Result<std::string> bytes) {
      if (!bytes) return callback(bytes.error());
      Response response;
      if (response.ParseFromString(bytes.value())) return callback(std::move(response));
      callback(fail(BERTH_INTERNAL, "the host's answer cannot be read"));
    };
  }

  std::shared_ptr<detail::Link> link_;
  std::shared_ptr<Settings> settings_;
};

}  // namespace berth::sdk
