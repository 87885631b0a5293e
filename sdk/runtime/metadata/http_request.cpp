// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/metadata/http_request.hpp"

#include <algorithm>

namespace berth::runtime::metadata {
namespace {

ParsedRequest bad(int status) {
  return {.state = ParsedRequest::State::Bad, .status = status, .request = {}};
}

bool is_method(std::string_view word) {
  return !word.empty() && word.size() <= 16 &&
         std::ranges::all_of(word, [](char c) { return c >= 'A' && c <= 'Z'; });
}

// Of a target in origin form, or in absolute form (which a client that believes to talk to a proxy
// sends).
std::string_view path_of(std::string_view target) {
  if (target.starts_with("http://")) {
    target.remove_prefix(7);
    const auto slash = target.find('/');
    target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
  }
  target = target.substr(0, target.find_first_of("?#"));
  while (target.size() > 1 && target.ends_with('/')) target.remove_suffix(1);
  return target;
}

}  // namespace

ParsedRequest parse_request(std::string_view bytes) {
  auto end = bytes.find("\r\n\r\n");
  if (const auto bare = bytes.find("\n\n"); bare < end) end = bare;
  if (end == std::string_view::npos) {
    return bytes.size() > kHeadMost ? bad(431) : ParsedRequest{};
  }
  if (end > kHeadMost) return bad(431);
  std::string_view line = bytes.substr(0, bytes.find_first_of("\r\n"));
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return bad(400);
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  if (!is_method(method) || !line.substr(last + 1).starts_with("HTTP/1.")) return bad(400);
  const std::string_view path = path_of(target);
  const bool plain = path.starts_with('/') &&
                     std::ranges::all_of(path, [](unsigned char c) { return c > ' ' && c < 0x7f; });
  if (!plain) return bad(400);
  return {.state = ParsedRequest::State::Whole,
          .status = 0,
          .request = {std::string(method), std::string(path)}};
}

}  // namespace berth::runtime::metadata
