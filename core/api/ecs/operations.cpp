// SPDX-License-Identifier: Apache-2.0
#include "core/api/ecs/operations.hpp"

#include <algorithm>
#include <iterator>

namespace berth::api {
namespace {

struct Entry {
  std::string_view name;
  Operation operation;
  std::string_view instead{};
};

// Amazon's agent speaks these; Berth's has a protocol of its own.
constexpr std::string_view kAgents =
    "hosts join with berth-agent and a join token, and report by it.";
constexpr std::string_view kAgentUpdate =
    "install the new berth-agent on the host and restart it; its tasks run on.";

// All operations of the API model 2014-11-13, by name.
constexpr Entry kOperations[] = {
    {"ContinueServiceDeployment", nullptr},
    {"CreateCapacityProvider", create_capacity_provider},
    {"CreateCluster", create_cluster},
    {"CreateDaemon", nullptr},
    {"CreateExpressGatewayService", nullptr},
    {"CreateService", create_service},
    {"CreateTaskSet", nullptr},
    {"DeleteAccountSetting", nullptr},
    {"DeleteAttributes", delete_attributes},
    {"DeleteCapacityProvider", delete_capacity_provider},
    {"DeleteCluster", delete_cluster},
    {"DeleteDaemon", nullptr},
    {"DeleteDaemonTaskDefinition", nullptr},
    {"DeleteExpressGatewayService", nullptr},
    {"DeleteService", delete_service},
    {"DeleteTaskDefinitions", nullptr},
    {"DeleteTaskSet", nullptr},
    {"DeregisterContainerInstance", deregister_container_instance},
    {"DeregisterTaskDefinition", deregister_task_definition},
    {"DescribeCapacityProviders", describe_capacity_providers},
    {"DescribeClusters", describe_clusters},
    {"DescribeContainerInstances", describe_container_instances},
    {"DescribeDaemon", nullptr},
    {"DescribeDaemonDeployments", nullptr},
    {"DescribeDaemonRevisions", nullptr},
    {"DescribeDaemonTaskDefinition", nullptr},
    {"DescribeExpressGatewayService", nullptr},
    {"DescribeServiceDeployments", describe_service_deployments},
    {"DescribeServiceRevisions", describe_service_revisions},
    {"DescribeServices", describe_services},
    {"DescribeTaskDefinition", describe_task_definition},
    {"DescribeTaskSets", nullptr},
    {"DescribeTasks", describe_tasks},
    {"DiscoverPollEndpoint", nullptr, kAgents},
    {"ExecuteCommand", execute_command},
    {"GetTaskProtection", get_task_protection},
    {"ListAccountSettings", nullptr},
    {"ListAttributes", list_attributes},
    {"ListClusters", list_clusters},
    {"ListContainerInstances", list_container_instances},
    {"ListDaemonDeployments", nullptr},
    {"ListDaemonTaskDefinitions", nullptr},
    {"ListDaemons", nullptr},
    {"ListServiceDeployments", list_service_deployments},
    {"ListServices", list_services},
    {"ListServicesByNamespace", list_services_by_namespace},
    {"ListTagsForResource", list_tags_for_resource},
    {"ListTaskDefinitionFamilies", list_task_definition_families},
    {"ListTaskDefinitions", list_task_definitions},
    {"ListTasks", list_tasks},
    {"PutAccountSetting", nullptr},
    {"PutAccountSettingDefault", nullptr},
    {"PutAttributes", put_attributes},
    {"PutClusterCapacityProviders", put_cluster_capacity_providers},
    {"RegisterContainerInstance", nullptr, kAgents},
    {"RegisterDaemonTaskDefinition", nullptr},
    {"RegisterTaskDefinition", register_task_definition},
    {"RunTask", run_task},
    {"StartTask", start_task},
    {"StopServiceDeployment", stop_service_deployment},
    {"StopTask", stop_task},
    {"SubmitAttachmentStateChanges", nullptr, kAgents},
    {"SubmitContainerStateChange", nullptr, kAgents},
    {"SubmitTaskStateChange", nullptr, kAgents},
    {"TagResource", tag_resource},
    {"UntagResource", untag_resource},
    {"UpdateCapacityProvider", nullptr},
    {"UpdateCluster", nullptr},
    {"UpdateClusterSettings", nullptr},
    {"UpdateContainerAgent", nullptr, kAgentUpdate},
    {"UpdateContainerInstancesState", update_container_instances_state},
    {"UpdateDaemon", nullptr},
    {"UpdateExpressGatewayService", nullptr},
    {"UpdateService", update_service},
    {"UpdateServicePrimaryTaskSet", nullptr},
    {"UpdateTaskProtection", update_task_protection},
    {"UpdateTaskSet", nullptr},
};
static_assert(std::size(kOperations) == 77);
static_assert(std::ranges::is_sorted(kOperations, {}, &Entry::name));

}  // namespace

Lookup find_ecs_operation(std::string_view name) {
  const auto* it = std::ranges::lower_bound(kOperations, name, {}, &Entry::name);
  if (it == std::end(kOperations) || it->name != name) return {};
  return {.operation = it->operation, .known = true, .instead = it->instead};
}

}  // namespace berth::api
