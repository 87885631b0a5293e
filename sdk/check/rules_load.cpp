// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "sdk/check/elf.hpp"
#include "sdk/check/rules.hpp"
#include "sdk/check/subject.hpp"

namespace berth::check {
namespace {

bool is_name(std::string_view name) {
  const auto ok = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  return !name.empty() && name.size() <= 63 && name[0] >= 'a' && name[0] <= 'z' &&
         std::all_of(name.begin(), name.end(), ok);
}

}  // namespace

Outcome load_opens(const Subject& subject) {
  const auto names = exported_symbols(subject.path);
  if (!names) return failed(names.error().message);
  // Without the symbol it may still load: load.symbol tells.
  const auto plugin = load(subject);
  if (!plugin && plugin.error().message.find(BERTH_PLUGIN_SYMBOL) == std::string::npos) {
    return failed(plugin.error().message);
  }
  return pass();
}

Outcome load_symbol(const Subject& subject) {
  const auto names = exported_symbols(subject.path);
  if (!names) return failed(names.error().message);
  std::string others;
  int count = 0;
  bool found = false;
  for (const std::string& name : *names) {
    if (name == BERTH_PLUGIN_SYMBOL) {
      found = true;
    } else if (++count <= 5) {
      others += (others.empty() ? "" : ", ") + name;
    }
  }
  if (!found) return failed("it exports no " BERTH_PLUGIN_SYMBOL);
  if (count == 0) return pass();
  return failed("it exports " + std::to_string(count) + " more: " + others +
                (count > 5 ? ", ..." : "") +
                "; link with a version script (berth_add_plugin does)");
}

Outcome table_layout(const Subject& subject) {
  const auto loaded = load(subject);
  if (!loaded) return failed(loaded.error().message);
  const berth_plugin& plugin = **loaded;
  constexpr std::size_t kWant = offsetof(berth_plugin, destroy) + sizeof(plugin.destroy);
  if (plugin.struct_size < kWant) {
    return failed("struct_size is " + std::to_string(plugin.struct_size) + ", ABI 1.0 has " +
                  std::to_string(kWant));
  }
  if (plugin.abi_major != BERTH_ABI_MAJOR) {
    return failed("abi_major is " + std::to_string(plugin.abi_major) + ", this host has " +
                  std::to_string(BERTH_ABI_MAJOR));
  }
  if (plugin.create == nullptr) return failed("the slot create is null");
  if (plugin.call == nullptr) return failed("the slot call is null");
  if (plugin.cancel == nullptr) return failed("the slot cancel is null");
  if (plugin.destroy == nullptr) return failed("the slot destroy is null");
  return pass();
}

Outcome table_name(const Subject& subject) {
  const auto loaded = load(subject);
  if (!loaded) return failed(loaded.error().message);
  const berth_plugin& plugin = **loaded;
  const auto text = [](const char* bytes, std::size_t max) {
    return bytes == nullptr ? std::string() : std::string(bytes, ::strnlen(bytes, max));
  };
  if (!is_name(text(plugin.name, 64))) {
    return failed("the name '" + text(plugin.name, 64) + "' is not [a-z][a-z0-9-]{0,62}");
  }
  const std::string version = text(plugin.version, 65);
  if (version.empty() || version.size() > 64) {
    return failed("the version is empty or longer than 64 characters");
  }
  return pass();
}

}  // namespace berth::check
