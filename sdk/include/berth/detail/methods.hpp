// SPDX-License-Identifier: Apache-2.0
// From method ids to the virtuals of a role, and which of them a class really has.
//
// Threads: any.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "berth/credentials.hpp"
#include "berth/host_role.hpp"
#include "berth/launch_type.hpp"
#include "berth/registry.hpp"

namespace berth::sdk::detail {

struct Call {
  std::uint32_t method = 0;
  std::string_view request;
  std::uint64_t operation = 0;
  std::uint32_t timeout_ms = 0;
};

template <typename Message>
[[nodiscard]] bool parse(Message& message, std::string_view bytes) {
  return bytes.size() <= BERTH_PAYLOAD_MAX &&
         message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

// Runs what a plugin does for an open operation; what it throws goes to `failed`.
template <typename Work, typename Fail>
void guarded(const Work& work, const Fail& failed) {
  try {
    work();
  } catch (const std::exception& problem) {
    failed(fail(BERTH_INTERNAL, problem.what()));
  } catch (...) {
    failed(fail(BERTH_INTERNAL, "the plugin threw something unknown"));
  }
}

// Opens the operation of a call, and runs `work` with its request and its completion.
template <typename Request, typename Response, typename Work>
berth_status open_and_run(const std::shared_ptr<Link>& link, const Call& call, const Work& work) {
  Request request;
  if (!parse(request, call.request)) return BERTH_INVALID;
  if (!link->open(call.operation)) return BERTH_INVALID;
  // A copy of ours, so that what the plugin throws comes before the end of its last copy.
  const Completion<Response> done(link, call.operation, call.timeout_ms);
  guarded([&] { work(request, done); }, [&](const Error& error) { done.fail(error); });
  return BERTH_OK;
}

template <typename Role, typename Request, typename Response>
berth_status invoke(Role& role, void (Role::*method)(Request, Completion<Response>),
                    const std::shared_ptr<Link>& link, const Call& call) {
  return open_and_run<Request, Response>(
      link, call, [&](Request& request, const Completion<Response>& done) {
        if constexpr (std::is_same_v<Request, v1::ListOwnedRequest>) {
          if (request.after().empty()) role.inventory().resend();
        }
        (role.*method)(std::move(request), done);
      });
}

template <typename Role, typename Request, typename Response>
berth_status invoke(Role& role, void (Role::*method)(Request, Stream, Completion<Response>),
                    const std::shared_ptr<Link>& link, const Call& call) {
  return open_and_run<Request, Response>(
      link, call, [&](Request& request, const Completion<Response>& done) {
        Stream stream(link, request.stream_id(), request.credit_bytes());
        (role.*method)(std::move(request), std::move(stream), done);
      });
}

template <typename Base>
struct Method {
  v1::Method id;
  bool offered;  // overridden by the plugin's class
  berth_status (*run)(Base&, const std::shared_ptr<Link>&, const Call&);
};

template <typename Member>
struct ClassOf;
template <typename Class, typename... Args>
struct ClassOf<void (Class::*)(Args...)> {
  using type = Class;
};

// `mine` is the virtual as found in the plugin's class: declared in Base itself, it is only the
// default.
template <typename Base, auto method, auto mine>
[[nodiscard]] constexpr Method<Base> offer(v1::Method id) {
  return {id, !std::is_same_v<typename ClassOf<decltype(mine)>::type, Base>,
          [](Base& role, const std::shared_ptr<Link>& link, const Call& call) {
            return invoke(role, method, link, call);
          }};
}

template <std::derived_from<LaunchType> Mine>
[[nodiscard]] constexpr auto methods_of() {
  using Base = LaunchType;
  return std::array{
      offer<Base, &Base::plan, &Mine::plan>(v1::METHOD_LAUNCH_PLAN),
      offer<Base, &Base::start, &Mine::start>(v1::METHOD_LAUNCH_START),
      offer<Base, &Base::stop, &Mine::stop>(v1::METHOD_LAUNCH_STOP),
      offer<Base, &Base::list_owned, &Mine::list_owned>(v1::METHOD_LAUNCH_LIST_OWNED),
      offer<Base, &Base::recover, &Mine::recover>(v1::METHOD_LAUNCH_RECOVER),
      offer<Base, &Base::forget, &Mine::forget>(v1::METHOD_LAUNCH_FORGET),
      offer<Base, &Base::exec, &Mine::exec>(v1::METHOD_LAUNCH_EXEC),
      offer<Base, &Base::logs, &Mine::logs>(v1::METHOD_LAUNCH_LOGS),
      offer<Base, &Base::stats, &Mine::stats>(v1::METHOD_LAUNCH_STATS),
      offer<Base, &Base::provision, &Mine::provision>(v1::METHOD_LAUNCH_PROVISION),
      offer<Base, &Base::deprovision, &Mine::deprovision>(v1::METHOD_LAUNCH_DEPROVISION),
      offer<Base, &Base::update_node, &Mine::update_node>(v1::METHOD_LAUNCH_UPDATE_NODE),
      offer<Base, &Base::list_images, &Mine::list_images>(v1::METHOD_LAUNCH_LIST_IMAGES),
      offer<Base, &Base::pull_image, &Mine::pull_image>(v1::METHOD_LAUNCH_PULL_IMAGE),
      offer<Base, &Base::prune_images, &Mine::prune_images>(v1::METHOD_LAUNCH_PRUNE_IMAGES)};
}

template <std::derived_from<HostRole> Mine>
[[nodiscard]] constexpr auto methods_of() {
  using Base = HostRole;
  return std::array{
      offer<Base, &Base::discover, &Mine::discover>(v1::METHOD_HOST_DISCOVER),
      offer<Base, &Base::prepare, &Mine::prepare>(v1::METHOD_HOST_PREPARE),
      offer<Base, &Base::release, &Mine::release>(v1::METHOD_HOST_RELEASE),
      offer<Base, &Base::device_stats, &Mine::device_stats>(v1::METHOD_HOST_DEVICE_STATS),
      offer<Base, &Base::sandbox, &Mine::sandbox>(v1::METHOD_HOST_SANDBOX),
      offer<Base, &Base::sandbox_remove, &Mine::sandbox_remove>(v1::METHOD_HOST_SANDBOX_REMOVE),
      offer<Base, &Base::interface_rules, &Mine::interface_rules>(v1::METHOD_HOST_INTERFACE_RULES)};
}

template <std::derived_from<Registry> Mine>
[[nodiscard]] constexpr auto methods_of() {
  using Base = Registry;
  return std::array{offer<Base, &Base::mirrors, &Mine::mirrors>(v1::METHOD_REGISTRY_MIRRORS),
                    offer<Base, &Base::authorize, &Mine::authorize>(v1::METHOD_REGISTRY_AUTHORIZE)};
}

template <std::derived_from<Credentials> Mine>
[[nodiscard]] constexpr auto methods_of() {
  using Base = Credentials;
  return std::array{offer<Base, &Base::assume_role, &Mine::assume_role>(
      v1::METHOD_CREDENTIALS_ASSUME_ROLE)};
}

}  // namespace berth::sdk::detail
