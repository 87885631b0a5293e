// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/devices/host_devices.hpp"

#include <gmock/gmock.h>

namespace berth::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::Device device(const std::string& id, const std::string& type = "GPU") {
  v1::Device out;
  out.set_id(id);
  out.set_type(type);
  out.set_model("T4");
  out.set_share_milli(1000);
  out.set_healthy(true);
  return out;
}
v1::DeviceReport report(const std::vector<v1::Device>& devices) {
  v1::DeviceReport out;
  for (const v1::Device& one : devices) *out.add_devices() = one;
  return out;
}
v1::Device sick(const std::string& id) {
  v1::Device out = device(id);
  out.set_healthy(false);
  out.set_unhealthy_reason("it is too hot");
  return out;
}

TEST(HostDevices, AreOfferedByTypeInTheOrderOfTheirIds) {
  HostDevices all;
  EXPECT_THAT(all.tell("b", report({device("g2"), device("g1")})), IsEmpty());
  EXPECT_THAT(all.tell("a", report({device("f1", "FPGA"), device("g0")})), IsEmpty());
  const auto resources = all.resources();
  ASSERT_EQ(resources.size(), 2U);
  EXPECT_EQ(resources[0].name(), "FPGA");
  EXPECT_EQ(resources[1].name(), "GPU");
  std::vector<std::string> ids;
  for (const auto& one : resources[1].device_set().devices()) ids.push_back(one.id());
  EXPECT_THAT(ids, ElementsAre("g0", "g1", "g2"));
  EXPECT_EQ(all.owner_of("g0"), "a");
  EXPECT_EQ(all.owner_of("g1"), "b");
  EXPECT_EQ(all.owner_of("g9"), "");
}

TEST(HostDevices, ThatAreUnhealthyAreWithdrawnAndTheirTasksHearWhy) {
  HostDevices all;
  ASSERT_THAT(all.tell("a", report({sick("g0"), device("g1")})), IsEmpty());
  EXPECT_FALSE(all.resources()[0].device_set().devices(0).healthy());
  EXPECT_EQ(all.refusal("g0"), "Device g0 (GPU T4) is unhealthy: it is too hot");
  EXPECT_EQ(all.loss("g0"), "Device g0 (GPU T4) is unhealthy: it is too hot");
  EXPECT_EQ(all.loss("g1"), std::nullopt);
  ASSERT_THAT(all.tell("a", report({device("g0"), device("g1")})), IsEmpty());
  EXPECT_EQ(all.refusal("g0"), std::nullopt);
  EXPECT_EQ(all.loss("g0"), std::nullopt);
}

TEST(HostDevices, AreLostOnlyOnceEveryPluginHasTold) {
  HostDevices all;
  all.expect("a");
  all.expect("b");
  ASSERT_THAT(all.tell("a", report({device("g0")})), IsEmpty());
  EXPECT_FALSE(all.is_whole());
  EXPECT_EQ(all.refusal("g1"), "Device g1 is not on this host");
  EXPECT_EQ(all.loss("g1"), std::nullopt) << "it may be b's";
  ASSERT_THAT(all.tell("b", report({})), IsEmpty());
  EXPECT_TRUE(all.is_whole());
  EXPECT_EQ(all.loss("g1"), "Device g1 is no longer on this host");
}

TEST(HostDevices, OfASilentPluginAreGivenToNobodyAndTakenFromNobody) {
  HostDevices all;
  ASSERT_THAT(all.tell("a", report({device("g0")})), IsEmpty());
  EXPECT_TRUE(all.set_silent("a", true));
  EXPECT_FALSE(all.set_silent("a", true)) << "no news";
  EXPECT_FALSE(all.resources()[0].device_set().devices(0).healthy());
  EXPECT_THAT(all.refusal("g0").value_or(""), HasSubstr("the plugin a does not answer"));
  EXPECT_EQ(all.loss("g0"), std::nullopt);
  ASSERT_THAT(all.tell("a", report({device("g0")})), IsEmpty());
  EXPECT_EQ(all.refusal("g0"), std::nullopt) << "it answers again";
}

TEST(HostDevices, ThatMakeNoSenseAreLeftOutAndNamed) {
  HostDevices all;
  ASSERT_THAT(all.tell("a", report({device("g0")})), IsEmpty());
  v1::Device huge = device("huge");
  huge.set_memory_mib(std::int64_t{1} << 40);
  v1::Device shares = device("shares");
  shares.set_share_milli(1001);
  EXPECT_THAT(all.tell("b", report({device("g1"), device("g1"), device("g0"), device("has blank"),
                                    device("", "GPU"), device("x", ""), huge, shares})),
              ElementsAre(HasSubstr("'g1' stands there twice"), HasSubstr("'g0' is the plugin a's"),
                          HasSubstr("an id"), HasSubstr("an id"), HasSubstr("'x' has a type"),
                          HasSubstr("'huge' has a memory"), HasSubstr("'shares' gives away")));
  EXPECT_EQ(all.owner_of("g0"), "a");
  EXPECT_EQ(all.resources()[0].device_set().devices_size(), 2);
}

TEST(HostDevices, AreNoMoreThanAPluginMayHave) {
  HostDevices all;
  std::vector<v1::Device> many;
  for (int i = 0; i <= HostDevices::kMost; ++i) many.push_back(device("g" + std::to_string(i)));
  EXPECT_THAT(all.tell("a", report(many)), ElementsAre(HasSubstr("more than 1024")));
  EXPECT_EQ(all.resources()[0].device_set().devices_size(), HostDevices::kMost);
}

}  // namespace
}  // namespace berth::runtime
