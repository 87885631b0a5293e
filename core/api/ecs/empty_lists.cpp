// SPDX-License-Identifier: Apache-2.0
// Which empty lists ECS shows.
#include <algorithm>
#include <string>
#include <string_view>

#include "core/api/ecs/shape.hpp"
#include "core/model/records.hpp"

namespace berth::api {
namespace {

namespace pb = google::protobuf;

// Message types whose lists are all shown, and single lists of others.
constexpr std::string_view kWhole[] = {"DescribeClustersResponse",
                                       "ListClustersResponse",
                                       "ListTaskDefinitionsResponse",
                                       "ListTaskDefinitionFamiliesResponse",
                                       "DescribeTaskDefinitionResponse",
                                       "RunTaskResponse",
                                       "StartTaskResponse",
                                       "PlanTaskResponse",
                                       "ExplainTaskResponse",
                                       "UnplacedTasks",
                                       "DescribeTasksResponse",
                                       "ListTasksResponse",
                                       "ListContainerInstancesResponse",
                                       "DescribeContainerInstancesResponse",
                                       "PutAttributesResponse",
                                       "DeleteAttributesResponse",
                                       "ListAttributesResponse",
                                       "ListAgentsResponse",
                                       "ListPoolsResponse",
                                       "DescribeCapacityProvidersResponse",
                                       "PutClusterCapacityProvidersResponse",
                                       "UpdateContainerInstancesStateResponse",
                                       "DescribeServicesResponse",
                                       "ListServicesResponse",
                                       "DescribeServiceDeploymentsResponse",
                                       "ListServiceDeploymentsResponse",
                                       "DescribeServiceRevisionsResponse",
                                       "GetTaskProtectionResponse",
                                       "UpdateTaskProtectionResponse",
                                       "ListTagsForResourceResponse",
                                       "Service",
                                       "ServiceDeployment",
                                       "WatchTaskResponse",
                                       "TaskStatsResponse",
                                       "ListImagesResponse",
                                       "InstanceImages",
                                       "StoredImage",
                                       "PullImageResponse",
                                       "PruneImagesResponse",
                                       "PrunedInstance",
                                       "ListPluginsResponse",
                                       "PluginDescription",
                                       "Task",
                                       "ContainerInstance",
                                       "TaskOverride",
                                       "ContainerInstanceHealthStatus"};
constexpr std::string_view kSingle[] = {"CapacityProvider.tags",
                                        "Cluster.statistics",
                                        "Cluster.tags",
                                        "Cluster.settings",
                                        "Cluster.capacityProviders",
                                        "Cluster.defaultCapacityProviderStrategy",
                                        "TaskDefinition.containerDefinitions",
                                        "TaskDefinition.volumes",
                                        "TaskDefinition.requiresAttributes",
                                        "TaskDefinition.placementConstraints",
                                        "TaskDefinition.compatibilities",
                                        "ContainerDefinition.portMappings",
                                        "ContainerDefinition.environment",
                                        "ContainerDefinition.mountPoints",
                                        "ContainerDefinition.volumesFrom",
                                        "ContainerDefinition.systemControls",
                                        "LogConfiguration.secretOptions",
                                        "Container.networkInterfaces"};

}  // namespace

bool shows_empty(const pb::Message& message, const pb::FieldDescriptor& field) {
  const std::string& type = message.GetDescriptor()->name();
  if (std::ranges::find(kWhole, type) != std::end(kWhole)) return true;
  const std::string member = type + "." + field.json_name();
  if (std::ranges::find(kSingle, member) != std::end(kSingle)) return true;
  if (const auto* container = dynamic_cast<const ecs::Container*>(&message)) {
    // Bindings show once the container runs, and never beside network interfaces.
    return member == "Container.networkBindings" && container->last_status() != "PENDING" &&
           container->network_interfaces().empty();
  }
  if (const auto* resource = dynamic_cast<const model::Resource*>(&message)) {
    return resource->type() == "STRINGSET";
  }
  return false;
}

}  // namespace berth::api
