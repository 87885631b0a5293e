// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/node_notice.hpp"

#include <algorithm>

#include "berth/v1/launch.pb.h"

namespace berth::daemon {
namespace {

constexpr std::size_t kMost = 1024;

std::string printable(std::string text) {
  text.resize(std::min(text.size(), kMost));
  for (char& c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) c = '?';
  }
  return text;
}

}  // namespace

std::string notice_line(std::string_view payload) {
  v1::NodeNotice notice;
  if (!notice.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    return "a notice about a node cannot be read";
  }
  return "node " + printable(notice.node_id()) + ": " + printable(notice.message());
}

}  // namespace berth::daemon
