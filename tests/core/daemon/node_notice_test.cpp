// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/node_notice.hpp"

#include <gtest/gtest.h>

#include "berth/v1/launch.pb.h"

namespace berth::daemon {
namespace {

std::string line(std::string node, std::string message) {
  v1::NodeNotice notice;
  notice.set_node_id(std::move(node));
  notice.set_message(std::move(message));
  return notice_line(notice.SerializeAsString());
}

TEST(NodeNotice, IsOneLineThatNamesTheNode) {
  EXPECT_EQ(line("n1", "its disk is 90 % full"), "node n1: its disk is 90 % full");
}

TEST(NodeNotice, CannotForgeLines) {
  EXPECT_EQ(line("n\x1b[1m", "full\n[error] \x7f"), "node n?[1m: full?[error] ?");
}

TEST(NodeNotice, IsCutWhereItGoesOnAndOn) {
  EXPECT_EQ(line("n", std::string(100'000, 'x')).size(), std::string("node n: ").size() + 1024);
}

TEST(NodeNotice, OfUnreadableBytesSaysSo) {
  EXPECT_EQ(notice_line("\xff"), "a notice about a node cannot be read");
}

}  // namespace
}  // namespace berth::daemon
