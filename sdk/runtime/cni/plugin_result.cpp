// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/cni/plugin_result.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstdlib>

#include "sdk/runtime/cni/conf_list.hpp"

namespace berth::runtime::cni {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxEntries = 64;
constexpr std::size_t kMaxInterfaceName = 15;

bool is_address(int family, const std::string& text) {
  unsigned char bytes[16];
  return ::inet_pton(family, text.c_str(), bytes) == 1;
}

bool is_any_address(const std::string& text) {
  return is_address(AF_INET, text) || is_address(AF_INET6, text);
}

bool is_interface_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxInterfaceName && name != "." && name != ".." &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return c > ' ' && c < 127 && c != '/'; });
}

bool is_domain(std::string_view name) {
  return !name.empty() && name.size() <= 253 &&
         name.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") ==
             std::string_view::npos;
}

// Reads one result, and remembers what is wrong first.
class Reader {
 public:
  Reader(PluginResult& out, std::string where) : out_(out), where_(std::move(where)) {}

  sdk::Result<void> read() {
    interfaces();
    ips();
    dns();
    if (problem_.empty()) return {};
    return sdk::fail(BERTH_INVALID, where_ + " gives a result that cannot be: " + problem_);
  }

 private:
  void wrong(std::string what) {
    if (problem_.empty()) problem_ = std::move(what);
  }
  const json::array& list(const json::object& object, const char* key) {
    static const json::array kNone;
    const auto* value = object.if_contains(key);
    if (!value || value->is_null()) return kNone;
    if (value->is_array() && value->get_array().size() <= kMaxEntries) return value->get_array();
    wrong(std::string(key) + " is no list of at most 64");
    return kNone;
  }
  std::string text(const json::value& of, const char* key) {
    const auto* value = of.is_object() ? of.get_object().if_contains(key) : nullptr;
    if (!value || value->is_null()) return {};
    if (value->is_string() && value->get_string().size() <= 512) {
      return std::string(value->get_string());
    }
    wrong(std::string(key) + " is no text");
    return {};
  }

  void interfaces() {
    for (const auto& one : list(out_.raw, "interfaces")) {
      const std::string name = text(one, "name");
      if (!is_interface_name(name)) return wrong("interfaces has the name '" + name + "'");
      ++count_;
      // The bridge plugin tells the bridge first, then the link's end.
      if (text(one, "sandbox").empty()) out_.host_interface = name;
    }
  }

  void ips() {
    for (const auto& one : list(out_.raw, "ips")) {
      const std::string address = text(one, "address");
      const auto slash = address.find('/');
      const std::string host = address.substr(0, slash);
      const std::string bits = slash == std::string::npos ? "" : address.substr(slash + 1);
      const bool four = is_address(AF_INET, host);
      const bool digits = !bits.empty() && bits.size() <= 3 &&
                          bits.find_first_not_of("0123456789") == std::string::npos;
      const int length = digits ? std::atoi(bits.c_str()) : -1;
      if ((!four && !is_address(AF_INET6, host)) || length < 0 || length > (four ? 32 : 128)) {
        return wrong("ips has the address '" + address + "'");
      }
      const std::string gateway = text(one, "gateway");
      if (!gateway.empty() && !is_any_address(gateway)) {
        return wrong("ips has the gateway '" + gateway + "'");
      }
      if (const auto* index = one.get_object().if_contains("interface")) {
        const bool fits = index->is_int64() && index->get_int64() >= 0 &&
                          static_cast<std::uint64_t>(index->get_int64()) < count_;
        if (!fits) return wrong("ips names an interface that is not in the list");
      }
      if (!four || !out_.address.empty()) continue;
      out_.address = host;
      out_.prefix_length = static_cast<unsigned>(length);
      if (is_address(AF_INET, gateway)) out_.gateway = gateway;
    }
  }

  void dns() {
    const auto* value = out_.raw.if_contains("dns");
    if (!value || value->is_null()) return;
    if (!value->is_object()) return wrong("dns is no object");
    for (const auto& one : list(value->get_object(), "nameservers")) {
      const std::string server = one.is_string() ? std::string(one.get_string()) : "";
      if (!is_any_address(server)) return wrong("dns has the nameserver '" + server + "'");
      out_.nameservers.push_back(server);
    }
    for (const auto& one : list(value->get_object(), "search")) {
      const std::string domain = one.is_string() ? std::string(one.get_string()) : "";
      if (!is_domain(domain)) return wrong("dns has the search domain '" + domain + "'");
      out_.search.push_back(domain);
    }
  }

  PluginResult& out_;
  const std::string where_;
  std::string problem_;
  std::size_t count_ = 0;  // of interfaces
};

}  // namespace

sdk::Result<PluginResult> parse_result(std::string_view text, const std::string& version,
                                       const std::string& where, Bounds bounds) {
  auto object = parse_object(text, where + " gives a result that cannot be read", bounds);
  if (!object) return object.error();
  PluginResult out;
  out.raw = std::move(*object);
  const auto* said = out.raw.if_contains("cniVersion");
  if (!said || !said->is_string() || said->get_string() != version) {
    return sdk::fail(BERTH_INVALID,
                     where + " gives a result of another cniVersion than " + version);
  }
  if (auto read = Reader(out, where).read(); !read) return read.error();
  return out;
}

}  // namespace berth::runtime::cni
