// SPDX-License-Identifier: Apache-2.0
// Every operation of the API model is known by its name, whether it is served or not.
#include <array>

#include "tests/core/api/server_fixture.hpp"

namespace berth::api {
namespace {

// Of the API model 2014-11-13.
// clang-format off
constexpr std::array kOperationNames{
    "ContinueServiceDeployment", "CreateCapacityProvider", "CreateCluster", "CreateDaemon",
    "CreateExpressGatewayService", "CreateService", "CreateTaskSet", "DeleteAccountSetting",
    "DeleteAttributes", "DeleteCapacityProvider", "DeleteCluster", "DeleteDaemon",
    "DeleteDaemonTaskDefinition", "DeleteExpressGatewayService", "DeleteService",
    "DeleteTaskDefinitions", "DeleteTaskSet", "DeregisterContainerInstance",
    "DeregisterTaskDefinition", "DescribeCapacityProviders", "DescribeClusters",
    "DescribeContainerInstances", "DescribeDaemon", "DescribeDaemonDeployments",
    "DescribeDaemonRevisions", "DescribeDaemonTaskDefinition", "DescribeExpressGatewayService",
    "DescribeServiceDeployments", "DescribeServiceRevisions", "DescribeServices",
    "DescribeTaskDefinition", "DescribeTaskSets", "DescribeTasks", "DiscoverPollEndpoint",
    "ExecuteCommand", "GetTaskProtection", "ListAccountSettings", "ListAttributes", "ListClusters",
    "ListContainerInstances", "ListDaemonDeployments", "ListDaemonTaskDefinitions", "ListDaemons",
    "ListServiceDeployments", "ListServices", "ListServicesByNamespace", "ListTagsForResource",
    "ListTaskDefinitionFamilies", "ListTaskDefinitions", "ListTasks", "PutAccountSetting",
    "PutAccountSettingDefault", "PutAttributes", "PutClusterCapacityProviders",
    "RegisterContainerInstance", "RegisterDaemonTaskDefinition", "RegisterTaskDefinition",
    "RunTask", "StartTask", "StopServiceDeployment", "StopTask", "SubmitAttachmentStateChanges",
    "SubmitContainerStateChange", "SubmitTaskStateChange", "TagResource", "UntagResource",
    "UpdateCapacityProvider", "UpdateCluster", "UpdateClusterSettings", "UpdateContainerAgent",
    "UpdateContainerInstancesState", "UpdateDaemon", "UpdateExpressGatewayService",
    "UpdateService", "UpdateServicePrimaryTaskSet", "UpdateTaskProtection", "UpdateTaskSet",
};
// clang-format on
static_assert(kOperationNames.size() == 77);

class OperationNames : public ServerTest {};

TEST_F(OperationNames, OfTheModelAreAllKnownAndThoseNotServedNameThemselves) {
  start();
  for (const char* operation : kOperationNames) {
    const auto reply = ecs(operation, "{}");
    if (reply.status == 200) continue;
    const std::string type = reply.at("__type");
    EXPECT_NE(type, "com.amazon.coral.service#UnknownOperationException") << operation;
    if (type == "UnsupportedFeatureException") {
      EXPECT_THAT(reply.at("message"), testing::HasSubstr(operation));
    }
  }
}

}  // namespace
}  // namespace berth::api
