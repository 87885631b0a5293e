// SPDX-License-Identifier: Apache-2.0
#include "sdk/check/subject.hpp"

#include <dlfcn.h>

#include <cstdio>

namespace berth::check {

sdk::Result<const berth_plugin*> load(const Subject& subject) {
  void* library = ::dlopen(subject.path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return sdk::fail(BERTH_INVALID, ::dlerror());
  const void* symbol = ::dlsym(library, BERTH_PLUGIN_SYMBOL);
  if (symbol == nullptr) return sdk::fail(BERTH_INVALID, "no symbol " BERTH_PLUGIN_SYMBOL);
  return static_cast<const berth_plugin*>(symbol);
}

v1::PluginConfig config_of(const Subject& subject) {
  v1::PluginConfig config;
  config.mutable_settings()->insert(subject.settings.begin(), subject.settings.end());
  config.set_data_dir(subject.scratch.string());
  config.set_region("us-east-1");
  config.set_account("000000000000");
  config.set_cluster("default");
  config.set_free_ports(true);
  return config;
}

sdk::Result<void> Instance::create(const v1::PluginConfig& config) {
  const std::string bytes = config.SerializeAsString();
  const berth_status status =
      plugin_.create(host_.table(), {bytes.data(), bytes.size()}, &instance_);
  if (status != BERTH_OK) {
    instance_ = nullptr;
    return sdk::fail(status, "create answered " + name_of_status(status) +
                                 "; it logged: " + (host_.log().empty() ? "nothing" : host_.log()));
  }
  if (instance_ == nullptr) return sdk::fail(BERTH_INTERNAL, "create gave no instance");
  return {};
}

void Instance::destroy() {
  if (instance_ == nullptr) return;
  plugin_.destroy(instance_);
  instance_ = nullptr;
}

std::uint64_t Instance::begin(std::uint32_t method, std::string_view request) {
  const std::uint64_t operation = next_++;
  methods_[operation] = method;
  taken_[operation] =
      plugin_.call(instance_, method, {request.data(), request.size()}, operation, 10'000);
  return operation;
}

sdk::Result<End> Instance::finish(std::uint64_t operation) const {
  if (taken(operation) != BERTH_OK) return End{0, taken(operation), {}};
  if (!host_.wait(kPatience, [&](const Host& host) { return host.end_of(operation).times > 0; })) {
    return sdk::fail(BERTH_DEADLINE, name_of(methods_.at(operation)) +
                                         " was taken and not completed in " +
                                         std::to_string(kPatience.count()) + " s");
  }
  return host_.end_of(operation);
}

sdk::Result<v1::Manifest> Instance::describe() {
  const auto end = call(v1::METHOD_DESCRIBE, {});
  if (!end) return end.error();
  if (end->status != BERTH_OK) {
    return sdk::fail(end->status, "METHOD_DESCRIBE answered " + name_of_status(end->status));
  }
  v1::Manifest manifest;
  if (!manifest.ParseFromString(end->payload)) {
    return sdk::fail(BERTH_INVALID, "the answer to METHOD_DESCRIBE is no Manifest");
  }
  return manifest;
}

sdk::Result<void> Instance::activate() {
  const auto end = call(v1::METHOD_ACTIVATE, {});
  if (!end) return end.error();
  if (end->status == BERTH_OK) return {};
  v1::Failure failure;
  if (!failure.ParseFromString(end->payload)) failure.Clear();
  return sdk::fail(end->status, "METHOD_ACTIVATE answered " + name_of_status(end->status) + ": " +
                                    failure.message());
}

std::string Instance::count_ends() const {
  for (const auto& [operation, status] : taken_) {
    const int times = host_.end_of(operation).times;
    if (times == (status == BERTH_OK ? 1 : 0)) continue;
    return name_of(methods_.at(operation)) + " was " +
           (status == BERTH_OK ? "taken" : "refused with " + name_of_status(status)) +
           " and completed " + std::to_string(times) + " times";
  }
  for (const auto& [operation, end] : host_.ends()) {
    if (!taken_.contains(operation)) {
      return "operation " + std::to_string(operation) + " was completed and never begun";
    }
  }
  return host_.fault();
}

std::string name_of(std::uint32_t method) {
  char number[16];
  std::snprintf(number, sizeof number, "0x%x", method);
  if (!v1::Method_IsValid(static_cast<int>(method))) return std::string("method ") + number;
  return v1::Method_Name(static_cast<v1::Method>(method)) + " (" + number + ")";
}

std::string name_of_status(berth_status status) {
  static constexpr const char* kNames[] = {
      "OK",          "NOT_FOUND", "ALREADY_EXISTS", "INVALID", "PRECONDITION",  "NO_CAPACITY",
      "UNAVAILABLE", "DEADLINE",  "CANCELLED",      "DENIED",  "UNIMPLEMENTED", "INTERNAL"};
  if (status < 0 || status > BERTH_INTERNAL) return "status " + std::to_string(status);
  return kNames[status];
}

}  // namespace berth::check
