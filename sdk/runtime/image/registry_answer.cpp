// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/image/registry_answer.hpp"

#include <boost/json.hpp>
#include <charconv>

namespace berth::runtime::image {
namespace {

constexpr std::size_t kMaxErrorBody = 64u << 10;

// "MANIFEST_UNKNOWN: manifest unknown" of a registry's error body, fit for one line.
std::string explain(std::string_view body) {
  boost::json::error_code error;
  const auto value = boost::json::parse({body.data(), body.size()}, error);
  const auto* object = error ? nullptr : value.if_object();
  const auto* errors = object ? object->if_contains("errors") : nullptr;
  const auto* list = errors ? errors->if_array() : nullptr;
  const auto* first = list && !list->empty() ? list->front().if_object() : nullptr;
  if (!first) return {};
  std::string out;
  for (const char* key : {"code", "message"}) {
    const auto* text = first->if_contains(key);
    const auto* words = text ? text->if_string() : nullptr;
    if (!words) continue;
    if (!out.empty()) out += ": ";
    for (const char c : *words) {
      if (out.size() < 300) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
    }
  }
  return out;
}

std::string read_error(http::Stream& stream) {
  std::string body;
  while (body.size() < kMaxErrorBody) {
    const auto bytes = stream.read();
    if (!bytes || bytes->empty()) break;
    body.append(*bytes);
  }
  return explain(body);
}

}  // namespace

sdk::Error refusal(http::Stream& stream, const std::string& what) {
  const int status = stream.response().status;
  const std::string words = read_error(stream);
  const std::string tail = words.empty() ? "the registry answered " + std::to_string(status)
                                         : words + " (" + std::to_string(status) + ")";
  if (status == 404) return sdk::fail(BERTH_NOT_FOUND, what + ": not found: " + tail);
  if (status == 401 || status == 403) {
    return sdk::fail(BERTH_DENIED, what +
                                       ": access denied, repository does not exist or may require "
                                       "other credentials: " +
                                       tail);
  }
  if (status == 429) return sdk::fail(BERTH_UNAVAILABLE, what + ": toomanyrequests: " + tail);
  return sdk::fail(status >= 500 ? BERTH_UNAVAILABLE : BERTH_INVALID, what + ": " + tail);
}

std::string challenge_of(const http::Response& response) {
  std::string out;
  for (const auto& [name, value] : response.headers) {
    if (name != "www-authenticate") continue;
    out += (out.empty() ? "" : ", ") + value;
  }
  return out.substr(0, 8192);
}

std::optional<std::uint64_t> range_start(std::string_view header) {
  if (!header.starts_with("bytes ")) return {};
  header.remove_prefix(6);
  std::uint64_t first = 0;
  const auto [end, error] = std::from_chars(header.data(), header.data() + header.size(), first);
  if (error != std::errc{} || end == header.data() + header.size() || *end != '-') return {};
  return first;
}

}  // namespace berth::runtime::image
