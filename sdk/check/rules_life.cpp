// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <set>

#include "sdk/check/rules.hpp"
#include "sdk/check/subject.hpp"

namespace berth::check {
namespace {

constexpr int kRounds = 20;

// The entries of a directory of /proc/self.
std::set<std::string> entries(const char* directory) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    names.insert(entry.path().filename().string());
  }
  return names;
}

std::size_t threads() {
  return entries("/proc/self/task").size();
}
std::size_t descriptors() {
  return entries("/proc/self/fd").size();
}

// The methods of all interfaces that need no more than activate.
std::vector<std::uint32_t> methods_of(const v1::Manifest& manifest) {
  std::vector<std::uint32_t> methods;
  for (const v1::Interface& interface : manifest.interfaces()) {
    methods.insert(methods.end(), interface.methods().begin(), interface.methods().end());
  }
  return methods;
}

}  // namespace

Outcome life_create(const Subject& subject) {
  const auto plugin = load(subject);
  if (!plugin) return failed(plugin.error().message);
  Host host;
  Instance bare(**plugin, host);
  // As `berth plugin list` makes it: nothing is configured.
  if (const auto made = bare.create(v1::PluginConfig()); !made) return failed(made.error().message);
  bare.destroy();
  Instance configured(**plugin, host);
  const auto made = configured.create(config_of(subject));
  if (!made) return failed(made.error().message);
  return pass();
}

Outcome life_config(const Subject& subject) {
  const auto plugin = load(subject);
  if (!plugin) return failed(plugin.error().message);
  Host host;
  const std::string garbage("\x0a\xff\xff\xff\xff\x07", 6);
  void* instance = nullptr;
  if ((*plugin)->create(host.table(), {garbage.data(), garbage.size()}, &instance) == BERTH_OK) {
    return failed("create took bytes that are no PluginConfig");
  }
  v1::PluginConfig config = config_of(subject);
  (*config.mutable_settings())["no-such-setting"] = "x";
  Instance odd(**plugin, host);
  const auto made = odd.create(config);
  if (made) return failed("create took the unknown setting 'no-such-setting' without a word");
  if (made.error().status != BERTH_INVALID) {
    return failed("create answered an unknown setting with " + name_of_status(made.error().status) +
                  ", not INVALID");
  }
  if (host.log().find("no-such-setting") == std::string::npos) {
    return failed("create refused an unknown setting without naming it in the log");
  }
  return pass();
}

Outcome life_quiet(const Subject& subject) {
  const auto plugin = load(subject);
  if (!plugin) return failed(plugin.error().message);
  const std::size_t before = threads();
  Host host;
  Instance instance(**plugin, host);
  if (const auto made = instance.create(config_of(subject)); !made) {
    return failed(made.error().message);
  }
  if (const auto manifest = instance.describe(); !manifest) return failed(manifest.error().message);
  if (threads() > before) return failed("a thread runs before activate");
  if (!host.events().empty()) {
    return failed("event " + std::to_string(host.events()[0].id) + " came before activate");
  }
  return pass();
}

Outcome life_repeat(const Subject& subject) {
  const auto plugin = load(subject);
  if (!plugin) return failed(plugin.error().message);
  Host host;
  std::size_t open = 0;
  for (int round = 0; round < kRounds; ++round) {
    Instance instance(**plugin, host);
    if (const auto made = instance.create(config_of(subject)); !made) {
      return failed("in round " + std::to_string(round + 1) + " " + made.error().message);
    }
    (void)instance.activate();  // whether it can be is not the question here
    instance.destroy();
    if (round == 1) open = descriptors();  // what is opened once for good is open by now
  }
  if (descriptors() >= open + kRounds - 2) {
    return failed(std::to_string(descriptors() - open) + " descriptors are left open after " +
                  std::to_string(kRounds - 2) + " rounds");
  }
  return pass();
}

Outcome life_two(const Subject& subject) {
  const auto plugin = load(subject);
  if (!plugin) return failed(plugin.error().message);
  Host first_host;
  Host second_host;
  Instance first(**plugin, first_host);
  Instance second(**plugin, second_host);
  if (const auto made = first.create(config_of(subject)); !made)
    return failed(made.error().message);
  if (const auto made = second.create(config_of(subject)); !made) {
    return failed("the second instance: " + made.error().message);
  }
  for (Instance* instance : {&first, &second}) {
    if (const auto manifest = instance->describe(); !manifest) {
      return failed(manifest.error().message);
    }
  }
  // Each must answer its own host, also when the other has gone.
  first.destroy();
  const auto manifest = second.describe();
  if (!manifest) return failed("after the other's end: " + manifest.error().message);
  second.destroy();
  for (const auto* instance : {&first, &second}) {
    if (const std::string wrong = instance->count_ends(); !wrong.empty()) return miscounted(wrong);
  }
  return pass();
}

Outcome life_destroy(const Subject& subject) {
  const auto plugin = load(subject);
  if (!plugin) return failed(plugin.error().message);
  Host host;
  Instance instance(**plugin, host);
  if (const auto made = instance.create(config_of(subject)); !made) {
    return failed(made.error().message);
  }
  const auto manifest = instance.describe();
  if (!manifest) return failed(manifest.error().message);
  (void)instance.activate();
  for (int round = 0; round < kRounds; ++round) {
    for (const std::uint32_t method : methods_of(*manifest)) instance.begin(method, {});
  }
  instance.destroy();
  if (const std::string wrong = instance.count_ends(); !wrong.empty()) return miscounted(wrong);
  const auto events = host.events().size();
  const bool more = host.wait(std::chrono::milliseconds(200), [&](const Host& now) {
    return now.events().size() > events || !instance.count_ends().empty();
  });
  if (more) return failed("after destroy it still calls its host");
  return pass();
}

Outcome life_threads(const Subject& subject) {
  const auto plugin = load(subject);
  if (!plugin) return failed(plugin.error().message);
  Host host;
  {
    // What a library starts once for good (a resolver, a pool of its own) is not the instance's.
    Instance warm(**plugin, host);
    if (const auto made = warm.create(config_of(subject)); !made)
      return failed(made.error().message);
    (void)warm.activate();
  }
  const std::size_t before = threads();
  for (int round = 0; round < 3; ++round) {
    Instance instance(**plugin, host);
    if (const auto made = instance.create(config_of(subject)); !made) {
      return failed(made.error().message);
    }
    (void)instance.activate();
    instance.destroy();
  }
  if (threads() <= before && before == 1) return pass();
  if (threads() > before) {
    return failed(std::to_string(threads() - before) + " threads are left after three instances");
  }
  return failed(std::to_string(before - 1) + " threads are left after destroy");
}

}  // namespace berth::check
