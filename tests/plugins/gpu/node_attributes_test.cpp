// SPDX-License-Identifier: Apache-2.0
#include "plugins/gpu/node_attributes.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <string>

namespace berth::gpu {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

v1::Device& add(v1::Node& node, const std::string& model, std::int64_t memory,
                const std::string& driver) {
  if (node.resources_size() == 0) node.add_resources()->set_name("GPU");
  auto& device = *node.mutable_resources(0)->mutable_device_set()->add_devices();
  device.set_id("g" + std::to_string(node.resources(0).device_set().devices_size()));
  device.set_type("GPU");
  device.set_model(model);
  device.set_memory_mib(memory);
  (*device.mutable_topology())["vendor"] = "nvidia";
  (*device.mutable_topology())["driver"] = driver;
  return device;
}
std::map<std::string, std::string> attributes(v1::Node& node) {
  add_gpu_attributes(node);
  std::map<std::string, std::string> out;
  for (const auto& one : node.attributes()) out.emplace(one.name(), one.value());
  return out;
}

TEST(NodeAttributes, SayWhatTheGpusOfAHostAre) {
  v1::Node node;
  add(node, "Tesla T4", 15360, "535.104");
  add(node, "Tesla T4", 15000, "535.104");
  EXPECT_THAT(attributes(node),
              ElementsAre(Pair("berth.gpu-count", "2"), Pair("berth.gpu-driver", "535.104"),
                          Pair("berth.gpu-memory-mib", "15000"),
                          Pair("berth.gpu-model", "Tesla T4"), Pair("berth.gpu-vendor", "nvidia"),
                          Pair("ecs.capability.gpu-driver-version", "535.104")));
}

TEST(NodeAttributes, LeaveOutWhatDiffersAndWhatIsNotKnown) {
  v1::Node node;
  add(node, "T4", 0, "");
  add(node, "L4", 0, "");
  EXPECT_THAT(attributes(node),
              ElementsAre(Pair("berth.gpu-count", "2"), Pair("berth.gpu-vendor", "nvidia")));
}

TEST(NodeAttributes, AreOfTheFormThatAttributesHave) {
  v1::Node node;
  add(node, " GPU (8%) " + std::string(200, 'x'), 1, "1");
  const std::string model = attributes(node).at("berth.gpu-model");
  EXPECT_TRUE(model.starts_with("GPU -8-- xxx")) << model;
  EXPECT_LE(model.size(), 128U);
}

TEST(NodeAttributes, OfTheOperatorsStay) {
  v1::Node node;
  add(node, "T4", 1, "1");
  auto& own = *node.add_attributes();
  own.set_name("berth.gpu-model");
  own.set_value("mine");
  EXPECT_EQ(attributes(node).at("berth.gpu-model"), "mine");
  EXPECT_EQ(std::count_if(node.attributes().begin(), node.attributes().end(),
                          [](const auto& one) { return one.name() == "berth.gpu-model"; }),
            1);
}

TEST(NodeAttributes, OfAHostWithoutGpusAreNone) {
  v1::Node node;
  node.add_resources()->set_name("CPU");
  EXPECT_THAT(attributes(node), IsEmpty());
}

}  // namespace
}  // namespace berth::gpu
