// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/devices/host_plugins.hpp"

#include <gmock/gmock.h>

#include <condition_variable>
#include <thread>

#include "tests/sdk/runtime/devices/plugin_orders.hpp"

namespace berth::runtime {
namespace {

using std::chrono::seconds;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::PluginOrders;

class HostPluginsTest : public ::testing::Test {
 protected:
  void open(std::map<std::string, std::string> settings = {}) {
    auto opened =
        HostPlugins::open({.directories = {},
                           .plugins = {{"scripted", orders.settings(std::move(settings))}},
                           .data_dir = orders.directory() / "data",
                           .cluster = "default",
                           .changed = [this] {
                             const std::lock_guard lock(mutex_);
                             changed_.notify_all();
                           }});
    ASSERT_TRUE(opened) << opened.error().message;
    plugins = std::move(*opened);
  }
  // Waits for changes until it is so.
  bool until(const std::function<bool()>& done) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, seconds(20), done);
  }
  [[nodiscard]] bool healthy(int device) const {
    const auto resources = plugins->resources();
    return resources.size() == 1 && device < resources[0].device_set().devices_size() &&
           resources[0].device_set().devices(device).healthy();
  }
  static v1::StartTaskRequest task(const std::vector<std::string>& devices) {
    v1::StartTaskRequest out;
    out.set_task_id("0123456789abcdef0123456789abcdef");
    for (const std::string& id : devices) {
      v1::DeviceGrant& grant = *out.mutable_allocation()->add_devices();
      grant.set_container("main");
      grant.set_device_id(id);
      grant.set_share_milli(1000);
    }
    return out;
  }

  PluginOrders orders;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::unique_ptr<HostPlugins> plugins;
};

TEST_F(HostPluginsTest, TellTheirDevicesWhenTheyAreOpen) {
  open();
  const auto resources = plugins->resources();
  ASSERT_EQ(resources.size(), 1U);
  EXPECT_EQ(resources[0].name(), "GPU");
  EXPECT_EQ(resources[0].device_set().devices_size(), 4);
  EXPECT_TRUE(plugins->check(task({"dev-0", "dev-3"}).allocation()));
  const auto unknown = plugins->check(task({"dev-7"}).allocation());
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().status, BERTH_PRECONDITION);
  EXPECT_EQ(unknown.error().message, "Device dev-7 is not on this host");
}

TEST_F(HostPluginsTest, WithdrawADeviceThatFailsOrVanishesUntilItIsBack) {
  open();
  orders.give("sick dev-1 XID 79");
  ASSERT_TRUE(until([&] { return !healthy(1); }));
  EXPECT_EQ(plugins->loss("dev-1"), "Device dev-1 (GPU scripted) is unhealthy: XID 79");
  EXPECT_FALSE(plugins->prepare(task({"dev-1"}), "main"));
  orders.give("well dev-1");
  ASSERT_TRUE(until([&] { return healthy(1); }));
  EXPECT_TRUE(plugins->prepare(task({"dev-1"}), "main"));
  orders.give("lose dev-2");
  ASSERT_TRUE(until([&] { return plugins->loss("dev-2").has_value(); }));
  EXPECT_EQ(plugins->loss("dev-2"), "Device dev-2 is no longer on this host");
  orders.give("find dev-2");
  ASSERT_TRUE(until([&] { return !plugins->loss("dev-2").has_value(); }));
}

TEST_F(HostPluginsTest, PrepareEachContainersOwnDevicesAndReleaseThem) {
  open({{"surrounds", "true"}});
  auto two = task({"dev-0", "dev-1"});
  two.mutable_allocation()->mutable_devices(1)->set_container("other");
  const auto edits = plugins->prepare(two, "other");
  ASSERT_TRUE(edits) << edits.error().message;
  ASSERT_EQ(edits->size(), 1U);
  EXPECT_THAT((*edits)[0].env(), ElementsAre("SCRIPTED_DEVICES=dev-1"));
  const auto around = plugins->surround(two, "");
  ASSERT_TRUE(around) << around.error().message;
  ASSERT_EQ(around->edits.size(), 1U);
  EXPECT_TRUE(plugins->surround(two, ""));
  EXPECT_TRUE(plugins->release(two));
  EXPECT_TRUE(plugins->unsurround(two.task_id()));
  EXPECT_THAT(orders.journal(),
              ElementsAre("prepare " + two.task_id() + " other dev-1", "sandbox " + two.task_id(),
                          "release " + two.task_id(), "sandbox_remove " + two.task_id()))
      << "surroundings are asked for once";
}

TEST_F(HostPluginsTest, TellRulesAndStats) {
  open({{"rules.0", "tcp dport 80 accept"}});
  v1::InterfaceRulesRequest request;
  request.set_task_id("a");
  const auto rules = plugins->interface_rules(request);
  ASSERT_TRUE(rules) << rules.error().message;
  EXPECT_THAT(rules->ingress(), ElementsAre("tcp dport 80 accept"));
  const auto stats = plugins->stats({"dev-0", "unknown"});
  ASSERT_EQ(stats.size(), 1U);
  EXPECT_EQ(stats[0].memory_total_mib(), 1024);
}

TEST_F(HostPluginsTest, GiveUpAQuestionThatIsNotAnsweredWhenTheyAreClosed) {
  open();
  orders.give("hang prepare");
  std::thread closer([&] {
    EXPECT_TRUE(orders.called("prepare " + task({}).task_id() + " main dev-0"));
    plugins->begin_close();
  });
  const auto prepared = plugins->prepare(task({"dev-0"}), "main");
  closer.join();
  ASSERT_FALSE(prepared);
  EXPECT_EQ(prepared.error().status, BERTH_CANCELLED) << prepared.error().message;
}

TEST_F(HostPluginsTest, AreWithdrawnWhileTheyDoNotAnswerThoughTheirTasksGoOn) {
  open();
  orders.give("block");
  std::thread stuck([&] { EXPECT_FALSE(plugins->prepare(task({"dev-0"}), "main")); });
  // The next question for devices waits behind the call that does not return.
  ASSERT_TRUE(until([&] { return !healthy(0); }));
  EXPECT_THAT(plugins->resources()[0].device_set().devices(0).unhealthy_reason(),
              HasSubstr("does not answer"));
  EXPECT_EQ(plugins->loss("dev-0"), std::nullopt);
  EXPECT_FALSE(plugins->check(task({"dev-1"}).allocation()));
  stuck.join();
  orders.give("go");
  EXPECT_TRUE(until([&] { return healthy(0); }));
}

TEST_F(HostPluginsTest, AreRefusedByNameWhereTheyCannotBeUsed) {
  const auto refusal = [&](HostPluginTables tables) {
    const auto opened = HostPlugins::open({.directories = {orders.directory()},
                                           .plugins = std::move(tables),
                                           .data_dir = orders.directory() / "data"});
    return opened ? std::string("taken") : opened.error().message;
  };
  EXPECT_THAT(refusal({{"nobody", {}}}), HasSubstr("no plugin 'nobody': tried"));
  EXPECT_THAT(refusal({{"other", orders.settings()}}),
              HasSubstr("is the plugin scripted, not other"));
  EXPECT_THAT(refusal({{"scripted", orders.settings({{"colour", "red"}})}}),
              HasSubstr("unknown key 'colour'"));
  EXPECT_THAT(refusal({{"test-pool", {.path = BERTH_POOL_PLUGIN}}}),
              HasSubstr("nothing for an agent"));
  EXPECT_EQ(refusal({{"nobody", {.enabled = false}}}), "taken");
}

}  // namespace
}  // namespace berth::runtime
