// SPDX-License-Identifier: Apache-2.0
#include "sdk/check/active.hpp"

namespace berth::check {

std::set<std::uint32_t> declared(const v1::Manifest& manifest) {
  std::set<std::uint32_t> methods;
  for (const v1::Interface& interface : manifest.interfaces()) {
    methods.insert(interface.methods().begin(), interface.methods().end());
  }
  return methods;
}

Active::Active(const Subject& subject) {
  const auto plugin = load(subject);
  if (!plugin) {
    problem = failed(plugin.error().message);
    return;
  }
  instance = std::make_unique<Instance>(**plugin, host);
  if (const auto made = instance->create(config_of(subject)); !made) {
    problem = failed(made.error().message);
    return;
  }
  auto described = instance->describe();
  if (!described) {
    problem = failed(described.error().message);
    return;
  }
  manifest = std::move(*described);
  methods = declared(manifest);
  if (const auto active = instance->activate(); !active) {
    problem = skipped(active.error().message + "; give what it needs with --setting KEY=VALUE");
  }
}

Outcome Active::end() {
  instance->destroy();
  const std::string wrong = instance->count_ends();
  return wrong.empty() ? pass() : miscounted(wrong);
}

v1::PlanRequest plain_task() {
  v1::PlanRequest request;
  auto& definition = *request.mutable_definition();
  definition.set_family("check");
  auto& container = *definition.add_container_definitions();
  container.set_name("main");
  container.set_image("registry.invalid/check:1");
  container.set_cpu(128);
  container.set_memory(64);
  container.set_essential(true);
  return request;
}

}  // namespace berth::check
