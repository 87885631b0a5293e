// SPDX-License-Identifier: Apache-2.0
// The export of a plugin: from its classes to the one symbol that hosts look for.
//
//   constexpr berth::sdk::About kAbout{.name = "example", .version = "1.0.0"};
//   BERTH_EXPORT_PLUGIN(kAbout, Processes);              // or several roles:
//   BERTH_EXPORT_PLUGIN(kAbout, Fleet, Devices);
//
// Each class derives from LaunchType, HostRole, Registry or Credentials (one class an interface)
// and has a constructor that takes a berth::sdk::Host. A plugin writes the line once, in a .cpp at namespace
// scope.
#pragma once

#include <exception>
#include <memory>
#include <string>
#include <string_view>

#include "berth/detail/instance.hpp"
#include "berth/plugin_abi.h"

namespace berth::sdk {

// What a plugin says of itself. All strings are literals.
struct About {
  const char* name = "";     // [a-z][a-z0-9-]{0,62}
  const char* version = "";  // at most 64 characters
  const char* vendor = "";
  const char* license = "";  // SPDX expression
  const char* url = "";
};

namespace detail {

[[nodiscard]] constexpr bool is_plugin_name(std::string_view name) {
  if (name.empty() || name.size() > 63 || name[0] < 'a' || name[0] > 'z') return false;
  for (const char c : name) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) return false;
  }
  return true;
}

template <const About& about, typename... Roles>
class Table {
 public:
  static_assert(sizeof...(Roles) > 0, "name at least one class");
  static_assert(is_plugin_name(about.name), "name must match [a-z][a-z0-9-]{0,62}");
  static_assert(!std::string_view(about.version).empty() &&
                    std::string_view(about.version).size() <= 64,
                "version must have 1 to 64 characters");

  [[nodiscard]] static constexpr berth_plugin table() {
    return {sizeof(berth_plugin),
            BERTH_ABI_MAJOR,
            BERTH_ABI_MINOR,
            about.name,
            about.version,
            &create,
            &call,
            &cancel,
            &destroy};
  }

 private:
  using Mine = Instance<Roles...>;

  static berth_status create(const berth_host* host, berth_bytes config, void** instance) {
    if (host == nullptr || instance == nullptr || host->abi_major != BERTH_ABI_MAJOR ||
        host->struct_size < sizeof(berth_host)) {
      return BERTH_INVALID;
    }
    const auto refuse = [host](berth_status status, const std::string& words) {
      host->log(host->context, BERTH_LOG_ERROR, bytes_of(words));
      return status;
    };
    try {
      v1::PluginConfig parsed;
      if (!parse(parsed, view(config))) return refuse(BERTH_INVALID, "unreadable PluginConfig");
      auto settings = std::make_shared<Settings>(parsed.settings());
      auto mine = std::make_unique<Mine>(
          std::make_shared<Link>(host, std::move(parsed)), settings,
          AboutView{about.name, about.version, about.vendor, about.license, about.url});
      if (const Result<void> checked = settings->check(); !checked) {
        mine->end();
        return refuse(BERTH_INVALID, checked.error().message);
      }
      *instance = mine.release();
      return BERTH_OK;
    } catch (const std::exception& problem) {
      return refuse(BERTH_INTERNAL, problem.what());
    } catch (...) {
      return refuse(BERTH_INTERNAL, "the plugin threw something unknown");
    }
  }

  static berth_status call(void* instance, std::uint32_t method, berth_bytes request,
                           std::uint64_t operation, std::uint32_t timeout_ms) {
    try {
      return static_cast<Mine*>(instance)->call(Call{method, view(request), operation, timeout_ms});
    } catch (...) {
      return BERTH_INTERNAL;
    }
  }

  static void cancel(void* instance, std::uint64_t operation) {
    try {
      static_cast<Mine*>(instance)->cancel(operation);
    } catch (...) {  // the operation goes on, and still completes
      return;
    }
  }

  static void destroy(void* instance) {
    const std::unique_ptr<Mine> mine(static_cast<Mine*>(instance));
    mine->end();
  }

  [[nodiscard]] static std::string_view view(berth_bytes bytes) {
    return {static_cast<const char*>(bytes.data), bytes.size};
  }
};

}  // namespace detail
}  // namespace berth::sdk

#define BERTH_EXPORT_PLUGIN(about, ...)          \
  constinit const berth_plugin berth_plugin_v1 = \
      ::berth::sdk::detail::Table<about, __VA_ARGS__>::table()
