// SPDX-License-Identifier: Apache-2.0
#include "core/api/ecs/definition.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/api/ecs/errors.hpp"
#include "core/api/ecs/shape.hpp"
#include "core/api/json/decode.hpp"
#include "core/api/json/encode.hpp"

namespace berth::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<Registration> registered(const std::string& text) {
  Registration request;
  auto decoded = json::decode(text, request);
  if (!decoded) return tl::unexpected(decoded.error());
  auto checked = check_shape(request, Subject::Definition).and_then([&] {
    return check_definition(request, [](std::string_view expression) -> Result<void> {
      if (expression == "bad") return fail(Errc::Invalid, "no operator", Subject::Request);
      return {};
    });
  });
  if (!checked) return tl::unexpected(checked.error());
  fill_defaults(request);
  return request;
}

struct Case {
  const char* name;
  std::string text;
  std::string message;  // how it begins
};

// A definition with one container that has these members, and these members beside.
std::string with(const std::string& container, const std::string& beside = "") {
  return R"({"family":"f","containerDefinitions":[{"name":"a","image":"i","memory":128)" +
         (container.empty() ? "" : "," + container) + "}]" + (beside.empty() ? "" : "," + beside) +
         "}";
}
// Two containers, a (not essential) and b.
std::string two(const std::string& a, const std::string& b, const std::string& beside = "") {
  return R"({"family":"f","containerDefinitions":[{"name":"a","image":"i","memory":8,"essential":false)" +
         (a.empty() ? "" : "," + a) + R"(},{"name":"b","image":"i","memory":8)" +
         (b.empty() ? "" : "," + b) + "}]" + (beside.empty() ? "" : "," + beside) + "}";
}
std::string fargate(const std::string& beside, const std::string& container = "") {
  return with(container, R"("requiresCompatibilities":["FARGATE"])" + beside);
}
constexpr const char* kAwsvpc = R"(,"networkMode":"awsvpc","cpu":"256","memory":"512")";

class Refused : public testing::TestWithParam<Case> {};

TEST_P(Refused, AsClientExceptionThatSaysWhy) {
  const auto result = registered(GetParam().text);
  ASSERT_FALSE(result);
  EXPECT_EQ(exception_of(result.error()).type, "ClientException");
  EXPECT_THAT(result.error().message, HasSubstr(GetParam().message));
  EXPECT_NE(result.error().what, "") << "the member at fault is not named";
}

INSTANTIATE_TEST_SUITE_P(
    Definitions, Refused,
    testing::Values(
        Case{"NoFamily", R"({"containerDefinitions":[{"name":"a"}]})", "Family should not be null"},
        Case{"BadFamily", R"({"family":"a b","containerDefinitions":[{"name":"a","image":"i"}]})",
             "Family contains invalid characters"},
        Case{"NoContainers", R"({"family":"f","containerDefinitions":[]})",
             "Container definitions should not be null or empty."},
        Case{"NoName", R"({"family":"f","containerDefinitions":[{"image":"i"}]})",
             "Container.name should not be null or empty."},
        Case{"NoImage", R"({"family":"f","containerDefinitions":[{"name":"i"}]})",
             "Container.image should not be null or empty."},
        Case{"NoMemory", R"({"family":"f","containerDefinitions":[{"name":"n","image":"i"}]})",
             "Invalid setting for container 'n'. At least one of 'memory' or 'memoryReservation' "
             "must be specified."},
        Case{"ReservationAboveMemory", with(R"("memoryReservation":256)"), "must be greater than"},
        Case{
            "SameNames",
            R"({"family":"f","memory":"64","containerDefinitions":[{"name":"a","image":"i"},{"name":"a","image":"i"}]})",
            "Container names must be unique"},
        Case{"NothingEssential", with(R"("essential":false)"), "at least one essential"},
        Case{"NetworkMode", with("", R"("networkMode":"overlay")"),
             "Network mode should be one of [bridge,host,awsvpc,none]"},
        Case{"LogDriver", with(R"("logConfiguration":{"logDriver":"x"})"),
             "should be one of [json-file"},
        Case{"TaskCpu", with("", R"("cpu":"1 GHz")"), "Invalid 'cpu' setting for task."},
        Case{"TaskCpuRange", with("", R"("cpu":"64")"), "Invalid 'cpu' setting for task."},
        Case{"TaskMemory", with("", R"("memory":"lots")"), "Invalid 'memory' setting for task."},
        Case{"MemoryAboveTask", with("", R"("memory":"64")"), "exceeds the memory of the task"},
        Case{"MemorySum", two("", "", R"("memory":"12")"), "ask for 16 MiB in all"},
        Case{"CpuSum", two(R"("cpu":200)", R"("cpu":200)", R"("cpu":"256")"), "400 CPU units"},
        Case{"Port", with(R"("portMappings":[{"containerPort":70000}])"), "between 1 and 65535"},
        Case{"NoPort", with(R"("portMappings":[{"hostPort":80}])"), "needs a containerPort"},
        Case{"PortProtocol", with(R"("portMappings":[{"containerPort":80,"protocol":"sctp"}])"),
             "should be one of [tcp,udp]"},
        Case{"PortTwice",
             two(R"("portMappings":[{"containerPort":80,"hostPort":8080}])",
                 R"("portMappings":[{"containerPort":81,"hostPort":8080}])"),
             "Port 8080/tcp is taken"},
        Case{"HostPortDiffers",
             with(R"("portMappings":[{"containerPort":80,"hostPort":81}])",
                  R"("networkMode":"host")"),
             "must match"},
        Case{"PortsWithoutNetwork",
             with(R"("portMappings":[{"containerPort":80}])", R"("networkMode":"none")"),
             "not supported when networkMode=none"},
        Case{"PortRange", with(R"("portMappings":[{"containerPortRange":"9-1"}])"), "no range"},
        Case{"UnknownDependency",
             with(R"("dependsOn":[{"containerName":"x","condition":"START"}])"),
             "unknown container 'x'"},
        Case{"DependsOnItself", with(R"("dependsOn":[{"containerName":"a","condition":"START"}])"),
             "the container itself"},
        Case{"Cycle",
             two(R"("dependsOn":[{"containerName":"b","condition":"START"}])",
                 R"("dependsOn":[{"containerName":"a","condition":"START"}])"),
             "form a cycle"},
        Case{"CompleteOfEssential",
             two(R"("dependsOn":[{"containerName":"b","condition":"COMPLETE"}])", ""),
             "cannot be on the essential container 'b'"},
        Case{"HealthyWithoutCheck",
             two("", R"("dependsOn":[{"containerName":"a","condition":"HEALTHY"}])"),
             "needs a health check"},
        Case{"Condition", two("", R"("dependsOn":[{"containerName":"a","condition":"READY"}])"),
             "should be one of [START,COMPLETE,SUCCESS,HEALTHY]"},
        Case{"UnknownLink", with(R"("links":["db:database"])"), "unknown container 'db'"},
        Case{"LinkInHostMode", two(R"("links":["b"])", "", R"("networkMode":"host")"),
             "Links are not supported"},
        Case{"UnknownVolume", with(R"("mountPoints":[{"sourceVolume":"v","containerPath":"/x"}])"),
             "Unknown volume 'v'"},
        Case{"VolumeTwice", with("", R"("volumes":[{"name":"v"},{"name":"v"}])"),
             "Volume names must be unique"},
        Case{
            "VolumeOfTwoKinds",
            with(
                "",
                R"("volumes":[{"name":"v","host":{"sourcePath":"/x"},"dockerVolumeConfiguration":{}}])"),
            "one kind of configuration"},
        Case{"VolumesFromUnknown", with(R"("volumesFrom":[{"sourceContainer":"z"}])"),
             "unknown container 'z'"},
        Case{
            "SecretAndVariable",
            with(
                R"("environment":[{"name":"X","value":"1"}],"secrets":[{"name":"X","valueFrom":"p"}])",
                R"("executionRoleArn":"arn:r")"),
            "The secret name must be unique"},
        Case{"SecretWithoutRole", with(R"("secrets":[{"name":"X","valueFrom":"p"}])"),
             "'executionRoleArn'"},
        Case{"VariableName", with(R"("environment":[{"name":"A=B"}])"), "environment variable"},
        Case{"HealthCheck", with(R"("healthCheck":{"command":["curl"]})"), "CMD or CMD-SHELL"},
        Case{"HealthInterval", with(R"("healthCheck":{"command":["CMD","x"],"interval":1})"),
             "between 5 and 300"},
        Case{"Ulimit", with(R"("ulimits":[{"name":"nofile","softLimit":2,"hardLimit":1}])"),
             "exceeds the hard limit"},
        Case{"Swappiness", with(R"("linuxParameters":{"swappiness":1})"), "needs 'maxSwap'"},
        Case{"Expression",
             with("", R"("placementConstraints":[{"type":"memberOf","expression":"bad"}])"),
             "no operator"},
        Case{"NoExpression", with("", R"("placementConstraints":[{"type":"memberOf"}])"),
             "should not be null or empty"},
        Case{"ConstraintType", with("", R"("placementConstraints":[{"type":"distinctInstance"}])"),
             "should be one of [memberOf]"},
        Case{"FargateNetwork", fargate(""), "Fargate only supports network mode ‘awsvpc’."},
        Case{"FargateCpu", fargate(R"(,"networkMode":"awsvpc")"),
             "Fargate requires that 'cpu' be defined at the task level."},
        Case{"FargateMemory", fargate(R"(,"networkMode":"awsvpc","cpu":"256")"),
             "Fargate requires that 'memory' be defined at the task level."},
        Case{"FargatePair", fargate(R"(,"networkMode":"awsvpc","cpu":"256","memory":"4096")"),
             "No Fargate configuration exists for given values"},
        Case{"FargateIpc", fargate(std::string(kAwsvpc) + R"(,"ipcMode":"host")"),
             "Tasks using the Fargate launch type do not support ipcMode."},
        Case{"FargatePid", fargate(std::string(kAwsvpc) + R"(,"pidMode":"host")"),
             "Tasks using the Fargate launch type do not support pidMode 'host'. The supported "
             "value "
             "for pidMode is 'task'."},
        Case{"FargatePrivileged", fargate(kAwsvpc, R"("privileged":true)"), "privileged"},
        Case{"FargateGpu",
             fargate(kAwsvpc, R"("resourceRequirements":[{"type":"GPU","value":"1"}])"),
             "GPU resource requirements"}),
    [](const auto& param) { return param.param.name; });

TEST(Definition, GetsDefaultsAsEcsFillsThemIn) {
  const auto request = registered(
      with(R"("portMappings":[{"containerPort":80}],"healthCheck":{"command":["CMD","x"]})",
           R"("volumes":[{"name":"v"}])"));
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(
      json::encode(*request, {.show_empty = shows_empty}),
      R"({"family":"f","networkMode":"bridge","containerDefinitions":[{"name":"a","image":"i",)"
      R"("cpu":0,"memory":128,"portMappings":[{"containerPort":80,"hostPort":0,"protocol":"tcp"}],)"
      R"("essential":true,"environment":[],"mountPoints":[],"volumesFrom":[],)"
      R"("healthCheck":{"command":["CMD","x"],"interval":30,"timeout":5,"retries":3},)"
      R"("systemControls":[]}],"volumes":[{"name":"v","host":{}}]})");
}

TEST(Definition, PublishesTheSamePortWhereTheNetworkIsShared) {
  const auto request =
      registered(with(R"("portMappings":[{"containerPort":80}])", R"("networkMode":"awsvpc")"));
  ASSERT_TRUE(request);
  EXPECT_EQ(request->container_definitions(0).port_mappings(0).host_port(), 80);
}

TEST(Definition, MayHaveTwoContainersOnOnePortInBridgeMode) {
  const auto request = registered(
      two(R"("portMappings":[{"containerPort":80}])", R"("portMappings":[{"containerPort":80}])"));
  EXPECT_TRUE(request) << request.error().message;
}

TEST(Definition, HasItsSizesNormalised) {
  const auto request = registered(with("", R"("cpu":".25 vCPU","memory":"0.5GB")"));
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->cpu(), "256");
  EXPECT_EQ(request->memory(), "512");
}

TEST(DefinitionSizes, AreReadInAllTheirForms) {
  EXPECT_EQ(parse_cpu("1024"), 1024);
  EXPECT_EQ(parse_cpu("1 vCPU"), 1024);
  EXPECT_EQ(parse_cpu("2vcpu"), 2048);
  EXPECT_EQ(parse_memory("1GB"), 1024);
  EXPECT_EQ(parse_memory("2 gb"), 2048);
  for (const char* text : {"", " ", "vCPU", "-1", "-1 vCPU", "1.5", "nan vCPU", "1e9vCPU", "1GB",
                           "99999999999999999999"}) {
    EXPECT_EQ(parse_cpu(text), std::nullopt) << text;
  }
}

TEST(DefinitionSizes, OfFargateFollowItsTable) {
  int count = 0;
  for (const int cpu : {128, 256, 512, 1024, 2048, 4096, 8192, 16'384, 32'768}) {
    for (int memory = 0; memory <= 131'072; memory += 256) count += is_fargate_size(cpu, memory);
  }
  EXPECT_EQ(count, 3 + 4 + 7 + 13 + 23 + 12 + 12);
}

TEST(Definition, DerivesWhatTheHostMustHave) {
  const auto request = registered(with(
      R"("privileged":true,"logConfiguration":{"logDriver":"awslogs"},
         "image":"1.dkr.ecr.us-east-1.amazonaws.com/x","healthCheck":{"command":["CMD","x"]})",
      R"("taskRoleArn":"arn:t","executionRoleArn":"arn:e","cpu":"256","pidMode":"task")"));
  // "image" stands there twice in this text: the decoder refuses it.
  ASSERT_FALSE(request);
  Registration definition;
  ASSERT_TRUE(json::decode(
      R"({"family":"f","cpu":"256","taskRoleArn":"t","executionRoleArn":"e","networkMode":"awsvpc",
          "containerDefinitions":[{"name":"a","image":"1.dkr.ecr.us-east-1.amazonaws.com/x",
          "privileged":true,"logConfiguration":{"logDriver":"awslogs"},
          "secrets":[{"name":"S","valueFrom":"arn:aws:secretsmanager:us-east-1:1:secret:x"}]}]})",
      definition));
  std::vector<std::string> names;
  for (const auto& attribute : required_attributes(definition)) names.push_back(attribute.name());
  EXPECT_THAT(names, ElementsAre("com.amazonaws.ecs.capability.ecr-auth",
                                 "com.amazonaws.ecs.capability.logging-driver.awslogs",
                                 "com.amazonaws.ecs.capability.privileged-container",
                                 "com.amazonaws.ecs.capability.task-iam-role",
                                 "ecs.capability.execution-role-awslogs",
                                 "ecs.capability.execution-role-ecr-pull",
                                 "ecs.capability.secrets.asm.environment-variables",
                                 "ecs.capability.task-cpu-mem-limit", "ecs.capability.task-eni"));
}

TEST(Definition, TellsWhichLaunchTypesCouldRunIt) {
  EXPECT_THAT(compatible_launch_types(*registered(with(""))), ElementsAre("EXTERNAL", "EC2"));
  EXPECT_THAT(compatible_launch_types(*registered(fargate(kAwsvpc))),
              ElementsAre("EC2", "FARGATE"));
}

TEST(Tags, AreChecked) {
  const auto check = [](const std::string& key, const std::string& value) {
    google::protobuf::RepeatedPtrField<ecs::Tag> tags;
    tags.Add()->set_key(key);
    tags.Mutable(0)->set_value(value);
    return check_tags(tags).has_value();
  };
  EXPECT_TRUE(check("Name", "web @ home_1:/=+-."));
  EXPECT_TRUE(check("\xC3\xA9t\xC3\xA9", ""));
  EXPECT_FALSE(check("AWS:x", ""));
  EXPECT_FALSE(check("a", "b;c"));
  EXPECT_FALSE(check(std::string(129, 'k'), ""));
  EXPECT_FALSE(check("k", std::string(257, 'v')));
  google::protobuf::RepeatedPtrField<ecs::Tag> twice;
  twice.Add()->set_key("a");
  twice.Add()->set_key("a");
  EXPECT_FALSE(check_tags(twice));
}

}  // namespace
}  // namespace berth::api
