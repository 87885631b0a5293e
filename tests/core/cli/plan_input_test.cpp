// SPDX-License-Identifier: Apache-2.0
#include "core/cli/plan_input.hpp"

#include <gtest/gtest.h>

#include <sstream>

namespace berth::cli {
namespace {

std::string input_of(const PlanOptions& options) {
  const auto input = plan_input(options);
  return input ? boost::json::serialize(*input) : input.error().message;
}

TEST(PlanInput, AsksForADefinitionOrForWhatATaskNeeds) {
  PlanOptions options;
  EXPECT_NE(input_of(options).find("give either a DEFINITION"), std::string::npos);
  options.definition = "web:3";
  options.count = 5;
  options.group = "g";
  options.launch_type = "EC2";
  EXPECT_EQ(input_of(options),
            R"({"count":5,"taskDefinition":"web:3","launchType":"EC2","group":"g"})");
  options.memory_mib = 64;
  EXPECT_NE(input_of(options).find("give either a DEFINITION"), std::string::npos);

  PlanOptions needs;
  needs.cpu = 100;
  needs.gpus = 1;
  needs.ports = {"80", "53/udp"};
  needs.attributes = {"fast", "rack=r1"};
  needs.capacity_provider = "hosts";
  EXPECT_EQ(input_of(needs),
            R"({"count":1,"requirement":{"cpu":100,"gpus":1,"ports":[)"
            R"({"hostPort":80,"protocol":"tcp"},{"hostPort":53,"protocol":"udp"}],"attributes":[)"
            R"({"name":"fast"},{"name":"rack","value":"r1"}]},)"
            R"("capacityProviderStrategy":[{"capacityProvider":"hosts"}]})");
}

TEST(PlanInput, ReadsStrategiesAndConstraintsAsPeopleWriteThem) {
  PlanOptions options;
  options.definition = "web";
  options.strategies = {"spread:attribute:ecs.availability-zone", "random"};
  options.constraints = {"distinctInstance", "attribute:rack == r1"};
  EXPECT_EQ(input_of(options),
            R"({"count":1,"taskDefinition":"web","placementStrategy":[{"type":"spread",)"
            R"("field":"attribute:ecs.availability-zone"},{"type":"random"}],)"
            R"("placementConstraints":[{"type":"distinctInstance"},)"
            R"({"type":"memberOf","expression":"attribute:rack == r1"}]})");
}

TEST(PlanInput, RepeatsACallThatFoundNoPlaceAsACommand) {
  const auto unplaced = boost::json::parse(
      R"({"taskDefinitionArn":"arn:aws:ecs:r:1:task-definition/web:3","group":"family:web",)"
      R"("count":5,"launchType":"EC2","placementStrategy":[{"type":"spread","field":"instanceId"},)"
      R"({"type":"random"}],"placementConstraints":[{"type":"distinctInstance"},)"
      R"({"type":"memberOf","expression":"attribute:rack == r'1"}]})");
  EXPECT_EQ(plan_command(unplaced.as_object(), "blue"),
            "berth plan web:3 --count 5 --cluster blue --launch-type EC2 "
            "--strategy spread:instanceId --strategy random --constraint distinctInstance "
            R"(--constraint 'attribute:rack == r'\''1')");
  const auto other =
      boost::json::parse(R"({"taskDefinitionArn":"task-definition/web:3","group":"mine","count":1,)"
                         R"("capacityProviderStrategy":[{"capacityProvider":"hosts"}]})");
  EXPECT_EQ(plan_command(other.as_object(), ""),
            "berth plan web:3 --count 1 --capacity-provider hosts --group mine");
}

TEST(PlanInput, RefusesPortsThatAreNone) {
  for (const char* text : {"", "0", "65536", "80x", "80/ip", "-1"}) {
    PlanOptions options;
    options.ports = {text};
    EXPECT_NE(input_of(options).find("want a host port"), std::string::npos) << text;
  }
}

std::string printed(const char* plan) {
  std::ostringstream out;
  print_plan(out, boost::json::parse(plan).as_object());
  return out.str();
}

TEST(PrintPlan, ShowsPlacesAndWhatRefusesTheRest) {
  EXPECT_EQ(
      printed(R"({"count":3,"placedCount":2,"unplacedCount":1,"random":true,"placements":[
          {"containerInstanceArn":"arn:x/i1","ec2InstanceId":"i-1","availabilityZone":"a",
           "launchType":"EC2","tasks":2}],
          "refusals":[{"reason":"RESOURCE:CPU","instances":4,
          "closest":{"containerInstanceArn":"arn:x/i2","detail":"The task needs 2, 1 left."}}]})"),
      "INSTANCE  HOST  ZONE  CAPACITY  TASKS\n"
      "i1        i-1   a     EC2       2\n"
      "\n"
      "2 of 3 tasks fit. Nothing is reserved. The strategy is random: another draw may choose "
      "other instances.\n"
      "The next one finds no place:\n"
      "REASON        INSTANCES  CLOSEST  THERE\n"
      "RESOURCE:CPU  4          i2       The task needs 2, 1 left.\n"
      "Ask for less, free what is short, add an instance, or relax the constraints.\n");
}

TEST(PrintPlan, SaysWhatToDoWhereThereIsNoInstance) {
  const std::string text = printed(R"({"count":1,"placedCount":0,"unplacedCount":1})");
  EXPECT_EQ(text.find("0 of 1 tasks fit."), 0u);
  EXPECT_NE(text.find("join a host"), std::string::npos);
}

}  // namespace
}  // namespace berth::cli
