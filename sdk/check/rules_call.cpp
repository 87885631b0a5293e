// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <set>
#include <thread>

#include "berth/v1/credentials.pb.h"
#include "berth/v1/launch.pb.h"
#include "berth/v1/registry.pb.h"
#include "sdk/check/active.hpp"
#include "sdk/check/rules.hpp"
#include "sdk/check/subject.hpp"

namespace berth::check {
namespace {

struct Family {
  const char* id;
  std::uint32_t first;
  std::uint32_t last;
  std::set<std::uint32_t> demanded;
};

const std::array<Family, 4>& families() {
  static const std::array<Family, 4> kFamilies{
      {{"berth.launch/1", 0x100, 0x1ff, {0x100, 0x101, 0x102, 0x103, 0x104, 0x105}},
       {"berth.host/1", 0x200, 0x2ff, {}},
       {"berth.registry/1", 0x300, 0x3ff, {0x300, 0x301}},
       {"berth.credentials/1", 0x400, 0x4ff, {0x400}}}};
  return kFamilies;
}

// Standard methods with a meaning for every plugin.
constexpr std::array<std::uint32_t, 3> kCommon{v1::METHOD_ANSWER, v1::METHOD_STREAM_WRITE,
                                               v1::METHOD_STREAM_CREDIT};

// A request of the method that its handler takes seriously, without effect on anything outside.
std::string harmless(std::uint32_t method) {
  if (method == v1::METHOD_REGISTRY_MIRRORS) {
    v1::MirrorsRequest request;
    request.set_registry("registry.invalid");
    request.set_repository("check");
    return request.SerializeAsString();
  }
  if (method == v1::METHOD_CREDENTIALS_ASSUME_ROLE) {
    v1::AssumeRoleRequest request;
    request.set_role_arn("arn:aws:iam::000000000000:role/nobody-knows-it");
    request.set_session_name("check");
    return request.SerializeAsString();
  }
  return {};
}

// Field 1999, of the range that is left to vendors, with a few bytes.
const std::string kFuture("\xfa\x7c\x03new", 6);

// Their answers are functions of the request: they must not change at all.
constexpr std::array<std::uint32_t, 3> kPure{v1::METHOD_DESCRIBE, v1::METHOD_LAUNCH_PLAN,
                                             v1::METHOD_REGISTRY_MIRRORS};

}  // namespace

Outcome manifest_describe(const Subject& subject) {
  const auto plugin = load(subject);
  if (!plugin) return failed(plugin.error().message);
  Host host;
  Instance instance(**plugin, host);
  if (const auto made = instance.create(v1::PluginConfig()); !made) {
    return failed(made.error().message);
  }
  const auto manifest = instance.describe();
  if (!manifest) return failed(manifest.error().message);
  if (manifest->name() != (*plugin)->name || manifest->version() != (*plugin)->version) {
    return failed("it says " + manifest->name() + " " + manifest->version() + ", the table " +
                  (*plugin)->name + " " + (*plugin)->version);
  }
  std::set<std::string> seen;
  std::size_t known = 0;
  for (const v1::Interface& interface : manifest->interfaces()) {
    if (!seen.insert(interface.id()).second) return failed("it names " + interface.id() + " twice");
    for (const Family& family : families()) {
      if (interface.id() != family.id) continue;
      ++known;
      for (const std::uint32_t method : family.demanded) {
        if (std::find(interface.methods().begin(), interface.methods().end(), method) ==
            interface.methods().end()) {
          return failed(interface.id() + " lacks " + name_of(method));
        }
      }
    }
    if (interface.id() == "berth.launch/1" && interface.launch_types().empty() &&
        interface.capacity_providers().empty()) {
      return failed("berth.launch/1 names neither a launch type nor a capacity provider");
    }
    if (interface.id() == "berth.registry/1" && interface.registry_hosts().empty()) {
      return failed("berth.registry/1 names no registry host");
    }
  }
  if (known == 0) return failed("it names no interface of berth.v1");
  return pass();
}

Outcome manifest_methods(const Subject& subject) {
  Active plugin(subject);
  if (!plugin.ok()) return plugin.problem;
  for (const Family& family : families()) {
    for (std::uint32_t method = family.first; method < family.first + 0x20; ++method) {
      const bool is_declared = plugin.methods.contains(method);
      const auto end = plugin.instance->call(method, harmless(method));
      if (!end) return failed(end.error().message);
      if (is_declared && end->status == BERTH_UNIMPLEMENTED) {
        return failed(name_of(method) + " is declared and answers UNIMPLEMENTED");
      }
      if (!is_declared && end->status != BERTH_UNIMPLEMENTED) {
        return failed(name_of(method) + " is not declared and answers " +
                      name_of_status(end->status));
      }
    }
  }
  return plugin.end();
}

Outcome call_once(const Subject& subject) {
  Active plugin(subject);
  if (!plugin.ok()) return plugin.problem;
  for (const std::uint32_t method : plugin.methods) {
    const auto end = plugin.instance->call(method, harmless(method));
    if (!end) return failed(end.error().message);
  }
  for (const std::uint32_t method : kCommon) {
    const auto end = plugin.instance->call(method, {});
    if (!end) return failed(end.error().message);
  }
  return plugin.end();
}

Outcome call_unknown(const Subject& subject) {
  Active plugin(subject);
  if (!plugin.ok()) return plugin.problem;
  for (const std::uint32_t method : {0U, 6U, 0xffU, 0x7fffU, 0xffffffffU}) {
    const auto end = plugin.instance->call(method, {});
    if (!end) return failed(end.error().message);
    if (end->status != BERTH_UNIMPLEMENTED) {
      return failed(name_of(method) + " answers " + name_of_status(end->status));
    }
  }
  return plugin.end();
}

Outcome call_garbage(const Subject& subject) {
  Active plugin(subject);
  if (!plugin.ok()) return plugin.problem;
  std::set<std::uint32_t> methods = plugin.methods;
  methods.insert(kCommon.begin(), kCommon.end());
  // A length beyond the end, a varint without end, a field number 0, a group that never ends, a
  // wire type that is none.
  const std::array<std::string, 5> garbage{std::string("\x0a\xff\xff\xff\xff\x07", 6),
                                           std::string(11, '\xff'), std::string("\x02\x01x", 3),
                                           std::string("\x0b", 1), std::string("\x0f", 1)};
  for (const std::uint32_t method : methods) {
    for (const std::string& bytes : garbage) {
      const auto end = plugin.instance->call(method, bytes);
      if (!end) return failed(end.error().message);
      if (end->status != BERTH_INVALID) {
        return failed(name_of(method) + " answers bytes that are no message with " +
                      name_of_status(end->status) + ", not INVALID");
      }
    }
  }
  return plugin.end();
}

Outcome call_cancel(const Subject& subject) {
  Active plugin(subject);
  if (!plugin.ok()) return plugin.problem;
  plugin.instance->cancel(0xfffffffffffffff0U);  // never begun
  for (const std::uint32_t method : plugin.methods) {
    const std::uint64_t operation = plugin.instance->begin(method, harmless(method));
    plugin.instance->cancel(operation);
    plugin.instance->cancel(operation);
    const auto end = plugin.instance->finish(operation);
    if (!end) return failed("cancelled, " + end.error().message);
    plugin.instance->cancel(operation);  // ended
  }
  return plugin.end();
}

Outcome call_threads(const Subject& subject) {
  Active plugin(subject);
  if (!plugin.ok()) return plugin.problem;
  const auto loaded = load(subject);
  Host host;
  void* instance = nullptr;
  const std::string config = config_of(subject).SerializeAsString();
  if ((*loaded)->create(host.table(), {config.data(), config.size()}, &instance) != BERTH_OK) {
    return failed("a second instance cannot be made");
  }
  constexpr std::uint64_t kThreads = 4;
  constexpr std::uint64_t kCalls = 200;
  std::array<std::uint64_t, kThreads> taken{};
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        for (std::uint64_t i = 0; i < kCalls; ++i) {
          const std::uint64_t operation = 1 + thread * kCalls + i;
          const berth_status status =
              (*loaded)->call(instance, v1::METHOD_DESCRIBE, {nullptr, 0}, operation, 0);
          if (status == BERTH_OK) ++taken[thread];
          if (i % 2 == 0) (*loaded)->cancel(instance, operation);
        }
      });
    }
  }
  std::uint64_t sum = 0;
  for (const std::uint64_t each : taken) sum += each;
  host.wait(kPatience, [&](const Host& now) { return now.ends().size() >= sum; });
  (*loaded)->destroy(instance);
  if (host.ends().size() != sum) {
    return failed(std::to_string(sum) + " calls were taken and " +
                  std::to_string(host.ends().size()) + " completed");
  }
  for (const auto& [operation, end] : host.ends()) {
    if (end.times != 1) return failed("a call completed " + std::to_string(end.times) + " times");
  }
  return plugin.end();
}

Outcome call_activate_once(const Subject& subject) {
  Active plugin(subject);
  if (!plugin.ok()) return plugin.problem;
  if (plugin.instance->activate()) return failed("a second activate succeeds");
  return plugin.end();
}

Outcome message_unknown_fields(const Subject& subject) {
  Active plugin(subject);
  if (!plugin.ok()) return plugin.problem;
  for (const std::uint32_t method : plugin.methods) {
    const std::string request =
        method == v1::METHOD_LAUNCH_PLAN ? plain_task().SerializeAsString() : harmless(method);
    const auto plain = plugin.instance->call(method, request);
    if (!plain) return failed(plain.error().message);
    const auto future = plugin.instance->call(method, request + kFuture);
    if (!future) return failed(future.error().message);
    if (future->status != plain->status) {
      return failed(name_of(method) + " answers " + name_of_status(plain->status) +
                    ", and with a field that it does not know " + name_of_status(future->status));
    }
    if (std::ranges::find(kPure, method) != kPure.end() && future->payload != plain->payload) {
      return failed("the answer of " + name_of(method) +
                    " changes with a field that it does not know");
    }
  }
  v1::PluginConfig config = config_of(subject);
  const auto loaded = load(subject);
  const std::string bytes = config.SerializeAsString() + kFuture;
  void* instance = nullptr;
  Host host;
  if ((*loaded)->create(host.table(), {bytes.data(), bytes.size()}, &instance) != BERTH_OK) {
    return failed("create refuses a PluginConfig with a field that it does not know");
  }
  (*loaded)->destroy(instance);
  return plugin.end();
}

}  // namespace berth::check
