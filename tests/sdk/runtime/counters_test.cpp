// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "sdk/runtime/cgroup/task_cgroup.hpp"

namespace berth::runtime {
namespace {

TEST(Counters, SumTheDevicesOfIoStat) {
  const auto bytes = parse_io_stat(
      "8:0 rbytes=1024 wbytes=2048 rios=1 wios=2 dbytes=4096 dios=0\n"
      "259:3 rbytes=6 wbytes=7 rios=0 wios=0 dbytes=0 dios=0\n");
  EXPECT_EQ(bytes.read, 1030U);
  EXPECT_EQ(bytes.written, 2055U);
}

TEST(Counters, SumTheDevicesOfBlkio) {
  const auto bytes = parse_io_service_bytes(
      "8:0 Read 100\n8:0 Write 200\n8:0 Sync 300\n8:0 Async 0\n8:0 Total 300\n7:1 Read 5\n7:1 "
      "Write 0\nTotal 305\n");
  EXPECT_EQ(bytes.read, 105U);
  EXPECT_EQ(bytes.written, 200U);
}

TEST(Counters, TellAllOfMemoryStatByName) {
  const auto stat = parse_memory_stat("cache 4096\nbroken\ntotal_inactive_file 512\n");
  EXPECT_EQ(stat, (MemoryStat{{"cache", 4096}, {"total_inactive_file", 512}}));
}

TEST(Counters, SumTheInterfacesButLoopback) {
  const auto bytes = parse_net_dev(
      "Inter-|   Receive                                                |  Transmit\n"
      " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs "
      "drop fifo colls carrier compressed\n"
      "    lo: 9999 1 0 0 0 0 0 0 9999 1 0 0 0 0 0 0\n"
      "  eth0: 1500000000000 20 0 0 0 0 0 0 42 3 0 0 0 0 0 0\n"
      "  eth1:7 20 0 0 0 0 0 0 8 3 0 0 0 0 0 0\n");
  EXPECT_EQ(bytes.received, 1500000000007U);
  EXPECT_EQ(bytes.sent, 50U);
}

TEST(Counters, TakeWhatIsNotAsExpectedForNothing) {
  for (const char* text : {"", "\n\n", "garbage", "8:0 rbytes=", "8:0 rbytes=x wbytes", "8:0 Read",
                           ":", "eth0:", "eth0: a b c"}) {
    EXPECT_EQ(parse_io_stat(text).read, 0U) << text;
    EXPECT_EQ(parse_io_service_bytes(text).read, 0U) << text;
    EXPECT_EQ(parse_net_dev(text).received, 0U) << text;
  }
}

}  // namespace
}  // namespace berth::runtime
