// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/image/reference.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstddef>

namespace berth::runtime::image {
namespace {

constexpr std::size_t kMaxName = 255;  // host and path together, as common clients have it
constexpr std::size_t kMaxTag = 128;

bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool is_alnum(char c) {
  return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z');
}

bool all_hex(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*
bool is_path_part(std::string_view part) {
  std::size_t at = 0;
  const auto word = [&] {
    const std::size_t from = at;
    while (at < part.size() && is_lower_or_digit(part[at])) ++at;
    return at > from;
  };
  if (!word()) return false;
  while (at < part.size()) {
    const char separator = part[at];
    const std::size_t from = at;
    while (at < part.size() && part[at] == separator) ++at;
    const std::size_t run = at - from;
    const bool separates =
        (separator == '-') || (separator == '.' && run == 1) || (separator == '_' && run <= 2);
    if (!separates || !word()) return false;
  }
  return true;
}

bool is_port(std::string_view text) {
  if (text.empty() || text.size() > 5) return false;
  unsigned value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  return value >= 1 && value <= 65535;
}

bool is_ipv6(std::string_view text) {
  in6_addr address{};
  return text.find('\0') == std::string_view::npos &&
         inet_pton(AF_INET6, std::string{text}.c_str(), &address) == 1;
}

bool is_dns_name(std::string_view text) {
  std::size_t at = 0;
  while (true) {
    const std::size_t dot = std::min(text.find('.', at), text.size());
    const std::string_view label = text.substr(at, dot - at);
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-' ||
        !std::ranges::all_of(label, [](char c) { return is_alnum(c) || c == '-' || c == '_'; })) {
      return false;
    }
    if (dot == text.size()) return true;
    at = dot + 1;
  }
}

// host, host:port, [v6] or [v6]:port
bool is_registry(std::string_view text) {
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos || !is_ipv6(text.substr(1, end - 1))) return false;
    const std::string_view rest = text.substr(end + 1);
    return rest.empty() || (rest.front() == ':' && is_port(rest.substr(1)));
  }
  const std::size_t colon = text.find(':');
  if (colon != std::string_view::npos && !is_port(text.substr(colon + 1))) return false;
  return is_dns_name(text.substr(0, colon));
}

bool is_tag(std::string_view tag) {
  return !tag.empty() && tag.size() <= kMaxTag && (is_alnum(tag.front()) || tag.front() == '_') &&
         std::ranges::all_of(
             tag, [](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; });
}

bool is_repository(std::string_view path) {
  std::size_t at = 0;
  while (at <= path.size()) {
    const std::size_t slash = std::min(path.find('/', at), path.size());
    if (!is_path_part(path.substr(at, slash - at))) return false;
    at = slash + 1;
  }
  return true;
}

bool names_a_registry(std::string_view part) {
  return part == "localhost" || part.starts_with('[') ||
         part.find_first_of(".:") != std::string_view::npos;
}

sdk::Error wrong(std::string_view text, std::string_view why) {
  // The text is a stranger's and may be long: people need its beginning only.
  std::string message = "image '";
  message.append(text.substr(0, 300)).append("' is not a valid reference: ").append(why);
  return sdk::fail(BERTH_INVALID, std::move(message), "image");
}

}  // namespace

std::string Reference::to_string() const {
  std::string out = registry + "/" + repository;
  if (!tag.empty()) out += ":" + tag;
  if (!digest.empty()) out += "@" + digest;
  return out;
}

bool is_digest(std::string_view text) {
  if (text.starts_with("sha256:")) return text.size() == 7 + 64 && all_hex(text.substr(7));
  if (text.starts_with("sha512:")) return text.size() == 7 + 128 && all_hex(text.substr(7));
  return false;
}

std::string_view digest_hex(std::string_view digest) {
  return digest.substr(digest.find(':') + 1);
}

sdk::Result<Reference> parse_reference(std::string_view text) {
  if (text.empty()) return wrong(text, "it is empty");
  Reference out;
  std::string_view rest = text;
  if (const std::size_t at = rest.find('@'); at != std::string_view::npos) {
    out.digest = rest.substr(at + 1);
    if (!is_digest(out.digest)) {
      return wrong(text, "after '@' goes sha256: and 64 lower-case hexadecimal digits");
    }
    rest = rest.substr(0, at);
  }
  const std::size_t first_slash = rest.find('/');
  if (first_slash != std::string_view::npos && names_a_registry(rest.substr(0, first_slash))) {
    out.registry = rest.substr(0, first_slash);
    rest = rest.substr(first_slash + 1);
    if (!is_registry(out.registry)) return wrong(text, "its registry is no HOST or HOST:PORT");
  }
  // With the registry gone, a colon can only be a tag's.
  if (const std::size_t colon = rest.find(':'); colon != std::string_view::npos) {
    out.tag = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
    if (!is_tag(out.tag)) {
      return wrong(text, "a tag is 1-128 of A-Z a-z 0-9 _ . - and starts with none of . -");
    }
  }
  out.repository = rest;
  if (!is_repository(out.repository)) {
    return wrong(text,
                 "names are lower-case letters and digits, joined by '/', '.', '_', '__', '-'");
  }
  if (out.registry.empty() || out.registry == "index.docker.io") out.registry = "docker.io";
  if (out.registry == "docker.io" && out.repository.find('/') == std::string::npos) {
    out.repository = "library/" + out.repository;
  }
  if (out.registry.size() + 1 + out.repository.size() > kMaxName) {
    return wrong(text, "registry and name are longer than 255 characters");
  }
  if (out.tag.empty() && out.digest.empty()) out.tag = "latest";
  return out;
}

}  // namespace berth::runtime::image
