// SPDX-License-Identifier: Apache-2.0
// One instance of a plugin: an object of each of its roles behind the table's functions.
//
// Threads: call and cancel any; construction and end() one at a time.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <utility>

#include "berth/detail/methods.hpp"

namespace berth::sdk::detail {

// Who made the plugin; the SDK's copy of what BERTH_EXPORT_PLUGIN was given.
struct AboutView {
  const char* name;
  const char* version;
  const char* vendor;
  const char* license;
  const char* url;
};

template <typename... Roles>
class Instance {
 public:
  Instance(std::shared_ptr<Link> link, const std::shared_ptr<Settings>& settings, AboutView about)
      : link_(std::move(link)),
        about_(about),
        roles_(std::make_unique<Roles>(Host(link_, settings))...) {}

  berth_status call(const Call& call) {
    switch (call.method) {
      case v1::METHOD_DESCRIBE:
        return describe(call);
      case v1::METHOD_ACTIVATE:
        return activate(call);
      case v1::METHOD_ANSWER:
        return answer(call);
      case v1::METHOD_STREAM_WRITE:
        return write(call);
      case v1::METHOD_STREAM_CREDIT:
        return credit(call);
      default:
        break;
    }
    berth_status status = BERTH_UNIMPLEMENTED;
    std::apply([&](auto&... role) { ((void)(try_role(*role, call, status) || ...)); }, roles_);
    return status;
  }

  void cancel(std::uint64_t operation) { link_->cancel(operation); }

  // In the table's order: cancel what is open, let the roles join their threads, complete the rest.
  void end() {
    link_->begin_close();
    std::apply([](auto&... role) { (role.reset(), ...); }, roles_);
    link_->close();
  }

 private:
  template <typename Role>
  bool try_role(Role& role, const Call& call, berth_status& status) {
    static constexpr auto kMethods = methods_of<Role>();
    for (const auto& method : kMethods) {
      if (static_cast<std::uint32_t>(method.id) != call.method) continue;
      if (!method.offered) return false;
      status = active_ && used(Role::kInterface) ? method.run(role, link_, call) : not_now(call);
      return true;
    }
    return false;
  }

  // Plan and discover are pure and could be answered, but a host that calls before activate has
  // lost its way.
  berth_status not_now(const Call& call) {
    if (!link_->open(call.operation)) return BERTH_INVALID;
    link_->finish(call.operation,
                  fail(BERTH_PRECONDITION, "this role of the plugin is not active"));
    return BERTH_OK;
  }

  [[nodiscard]] bool used(const char* interface) const {
    const auto& wanted = link_->config().interfaces();
    return wanted.empty() || std::find(wanted.begin(), wanted.end(), interface) != wanted.end();
  }

  template <typename Role>
  static void add_interface(const Role& role, v1::Manifest& manifest) {
    static constexpr auto kMethods = methods_of<Role>();
    v1::Interface& self = *manifest.add_interfaces();
    role.describe(self);
    self.set_id(Role::kInterface);
    self.clear_methods();
    for (const auto& method : kMethods) {
      if (method.offered) self.add_methods(static_cast<std::uint32_t>(method.id));
    }
  }

  berth_status describe(const Call& call) {
    return open_and_run<v1::Empty, v1::Manifest>(link_, call, [&](const auto&, const auto& done) {
      const std::lock_guard lock(describing_);
      v1::Manifest manifest;
      manifest.set_name(about_.name);
      manifest.set_version(about_.version);
      manifest.set_vendor(about_.vendor);
      manifest.set_license(about_.license);
      manifest.set_url(about_.url);
      std::apply([&](auto&... role) { (add_interface(*role, manifest), ...); }, roles_);
      done.ok(manifest);
    });
  }

  berth_status activate(const Call& call) {
    return open_and_run<v1::Empty, v1::Empty>(link_, call, [&](const auto&, const auto& done) {
      if (active_.exchange(true)) return done.fail(fail(BERTH_PRECONDITION, "active already"));
      link_->set_active();
      activate_next<0>(done);
    });
  }

  // One role after the other; the first that fails ends it.
  template <std::size_t index>
  void activate_next(const Completion<v1::Empty>& done) {
    if constexpr (index == sizeof...(Roles)) {
      done.ok();
    } else {
      auto& role = *std::get<index>(roles_);
      if (!used(std::remove_reference_t<decltype(role)>::kInterface)) {
        return activate_next<index + 1>(done);
      }
      if constexpr (index + 1 == sizeof...(Roles)) {
        role.activate(done);
      } else {
        // Once the instance is ending the call counts as cancelled: `this` is not touched then.
        role.activate(done.then([this, done] {
          if (done.is_cancelled()) {
            return done.fail(fail(BERTH_CANCELLED, "the instance is ending"));
          }
          guarded([&] { activate_next<index + 1>(done); },
                  [&](const Error& error) { done.fail(error); });
        }));
      }
    }
  }

  berth_status answer(const Call& call) {
    return open_and_run<v1::Answer, v1::Empty>(
        link_, call, [&](const v1::Answer& answer, const auto& done) {
          end_call(done, link_->answer(answer), "no such question is open");
        });
  }

  berth_status write(const Call& call) {
    return open_and_run<v1::StreamWrite, v1::Empty>(
        link_, call, [&](const v1::StreamWrite& write, const auto& done) {
          const std::shared_ptr<StreamSink> stream = link_->stream(write.stream_id());
          if (!stream) return end_call(done, BERTH_NOT_FOUND, "no such stream is open");
          const berth_status status = stream->on_write(call.request);
          end_call(
              done, status,
              status == BERTH_INVALID ? "more than 64 KiB at once" : "too much input lies unread");
        });
  }

  berth_status credit(const Call& call) {
    return open_and_run<v1::StreamCredit, v1::Empty>(
        link_, call, [&](const v1::StreamCredit& credit, const auto& done) {
          const std::shared_ptr<StreamSink> stream = link_->stream(credit.stream_id());
          if (!stream) return end_call(done, BERTH_NOT_FOUND, "no such stream is open");
          stream->on_credit(credit.bytes());
          done.ok();
        });
  }

  static void end_call(const Completion<v1::Empty>& done, berth_status status, const char* words) {
    status == BERTH_OK ? done.ok() : done.fail(fail(status, words));
  }

  std::shared_ptr<Link> link_;
  const AboutView about_;
  std::mutex describing_;
  std::atomic<bool> active_ = false;
  std::tuple<std::unique_ptr<Roles>...> roles_;
};

}  // namespace berth::sdk::detail
