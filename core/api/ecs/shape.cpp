// SPDX-License-Identifier: Apache-2.0
#include "core/api/ecs/shape.hpp"

#include <google/protobuf/message.h>

#include <algorithm>
#include <limits>
#include <map>
#include <string>
#include <string_view>

#include "core/model/records.hpp"

namespace berth::api {
namespace {

namespace pb = google::protobuf;
using Type = pb::FieldDescriptor::CppType;

constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::min();

// One member. `least` and `most` bound a number, the length of a string, or the size of a list.
struct Rule {
  bool required = false;
  std::string_view one_of{};  // "A,B"
  std::int64_t least = kNone;
  std::int64_t most = kNone;
  std::string_view words{};  // how ECS's message calls the member, where it is not the path
  std::string_view text{};   // the whole message, where ECS's is known
  bool client_exception = false;
};

constexpr Rule required(std::string_view text = {}) {
  return {.required = true, .text = text};
}
constexpr Rule one_of(std::string_view values, std::string_view words = {}) {
  return {.one_of = values, .words = words};
}
constexpr Rule must_be(std::string_view values) {
  return {.required = true, .one_of = values};
}
constexpr Rule between(std::int64_t least, std::int64_t most) {
  return {.least = least, .most = most};
}
constexpr Rule at_most(std::int64_t most) {
  return {.most = most};
}

constexpr std::string_view kEnabled = "ENABLED,DISABLED";
constexpr std::string_view kPropagated = "TASK_DEFINITION,SERVICE,NONE";
constexpr Rule kLaunchType{.one_of = "EC2,FARGATE,EXTERNAL,MANAGED_INSTANCES",
                           .text = "launch type should be one of [EC2,FARGATE,EXTERNAL]",
                           .client_exception = true};

const std::map<std::string_view, Rule>& rules() {
  static const std::map<std::string_view, Rule> kRules = {
      // Requests
      {"CreateClusterRequest.tags", at_most(50)},
      {"CreateClusterRequest.defaultCapacityProviderStrategy", at_most(20)},
      {"DescribeClustersRequest.clusters", at_most(100)},
      {"DescribeClustersRequest.include",
       one_of("ATTACHMENTS,CONFIGURATIONS,SETTINGS,STATISTICS,TAGS")},
      {"ListClustersRequest.maxResults", between(1, 100)},
      {"DeleteClusterRequest.cluster", required()},
      {"RegisterTaskDefinitionRequest.family", required("Family should not be null or empty.")},
      {"RegisterTaskDefinitionRequest.containerDefinitions",
       {.required = true, .most = 10, .words = "Container definitions"}},
      {"RegisterTaskDefinitionRequest.networkMode",
       one_of("bridge,host,awsvpc,none", "Network mode")},
      {"RegisterTaskDefinitionRequest.placementConstraints", at_most(10)},
      {"RegisterTaskDefinitionRequest.requiresCompatibilities",
       one_of("EC2,FARGATE,EXTERNAL,MANAGED_INSTANCES")},
      {"RegisterTaskDefinitionRequest.tags", at_most(50)},
      {"RegisterTaskDefinitionRequest.pidMode", one_of("host,task")},
      {"RegisterTaskDefinitionRequest.ipcMode", one_of("host,task,none")},
      {"DescribeTaskDefinitionRequest.taskDefinition", required()},
      {"DescribeTaskDefinitionRequest.include", one_of("TAGS")},
      {"DeregisterTaskDefinitionRequest.taskDefinition", required()},
      {"ListTaskDefinitionsRequest.status", one_of("ACTIVE,INACTIVE,DELETE_IN_PROGRESS")},
      {"ListTaskDefinitionsRequest.sort", one_of("ASC,DESC")},
      {"ListTaskDefinitionsRequest.maxResults", between(1, 100)},
      {"ListTaskDefinitionFamiliesRequest.status", one_of("ACTIVE,INACTIVE,ALL")},
      {"ListTaskDefinitionFamiliesRequest.maxResults", between(1, 100)},
      {"RunTaskRequest.taskDefinition", required()},
      {"RunTaskRequest.launchType", kLaunchType},
      {"RunTaskRequest.count", between(1, 10)},
      {"RunTaskRequest.group", at_most(255)},
      {"RunTaskRequest.startedBy", at_most(128)},
      {"RunTaskRequest.clientToken", at_most(64)},
      {"RunTaskRequest.referenceId", at_most(1024)},
      {"RunTaskRequest.placementConstraints", at_most(10)},
      {"RunTaskRequest.placementStrategy", at_most(5)},
      {"RunTaskRequest.capacityProviderStrategy", at_most(20)},
      {"RunTaskRequest.tags", at_most(50)},
      {"RunTaskRequest.propagateTags", one_of("TASK_DEFINITION,SERVICE,NONE")},
      {"StartTaskRequest.containerInstances",
       {.required = true,
        .most = 10,
        .words = "Container Instances",
        .text = "Container Instances cannot be empty.",
        .client_exception = true}},
      {"StartTaskRequest.taskDefinition", required()},
      {"StartTaskRequest.group", at_most(255)},
      {"StartTaskRequest.startedBy", at_most(36)},
      {"StartTaskRequest.referenceId", at_most(1024)},
      {"StartTaskRequest.tags", at_most(50)},
      {"StartTaskRequest.propagateTags", one_of("TASK_DEFINITION,SERVICE,NONE")},
      {"StopTaskRequest.task", required()},
      {"DescribeTasksRequest.tasks",
       {.required = true, .most = 100, .words = "Tasks", .text = "Tasks cannot be empty."}},
      {"DescribeTasksRequest.include", one_of("TAGS")},
      {"ListTasksRequest.desiredStatus", one_of("RUNNING,PENDING,STOPPED", "Desired status")},
      {"ListTasksRequest.launchType", kLaunchType},
      {"ListTasksRequest.maxResults", between(1, 100)},
      {"ListContainerInstancesRequest.status",
       one_of("ACTIVE,DRAINING,REGISTERING,DEREGISTERING,REGISTRATION_FAILED",
              "Container instance status")},
      {"ListContainerInstancesRequest.maxResults", between(1, 100)},
      {"DescribeContainerInstancesRequest.containerInstances",
       {.required = true,
        .most = 100,
        .words = "Container Instances",
        .text = "Container Instances cannot be empty.",
        .client_exception = true}},
      {"DescribeContainerInstancesRequest.include", one_of("TAGS,CONTAINER_INSTANCE_HEALTH")},
      {"PutAttributesRequest.attributes", {.required = true, .most = 10, .words = "Attributes"}},
      {"DeleteAttributesRequest.attributes", {.required = true, .most = 10, .words = "Attributes"}},
      {"ListAttributesRequest.targetType", must_be("container-instance")},
      {"ListAttributesRequest.maxResults", between(1, 100)},
      {"UpdateContainerInstancesStateRequest.containerInstances",
       {.required = true,
        .most = 10,
        .words = "Container Instances",
        .text = "Container Instances cannot be empty.",
        .client_exception = true}},
      {"UpdateContainerInstancesStateRequest.status",
       {.required = true,
        .one_of = "ACTIVE,DRAINING",
        .text = "Container instance status should be one of [ACTIVE,DRAINING]"}},
      {"CreateServiceRequest.serviceName", required("Service name can not be blank.")},
      {"CreateServiceRequest.launchType", kLaunchType},
      {"CreateServiceRequest.desiredCount", between(0, std::numeric_limits<std::int32_t>::max())},
      {"CreateServiceRequest.clientToken", at_most(36)},
      {"CreateServiceRequest.availabilityZoneRebalancing", one_of(kEnabled)},
      {"CreateServiceRequest.healthCheckGracePeriodSeconds",
       between(0, std::numeric_limits<std::int32_t>::max())},
      {"CreateServiceRequest.schedulingStrategy", one_of("REPLICA,DAEMON", "Scheduling strategy")},
      {"CreateServiceRequest.placementConstraints", at_most(10)},
      {"CreateServiceRequest.placementStrategy", at_most(5)},
      {"CreateServiceRequest.capacityProviderStrategy", at_most(20)},
      {"CreateServiceRequest.propagateTags", one_of(kPropagated)},
      {"CreateServiceRequest.tags", at_most(50)},
      {"UpdateServiceRequest.service", required("Service can not be blank.")},
      {"UpdateServiceRequest.desiredCount", between(0, std::numeric_limits<std::int32_t>::max())},
      {"UpdateServiceRequest.availabilityZoneRebalancing", one_of(kEnabled)},
      {"UpdateServiceRequest.healthCheckGracePeriodSeconds",
       between(0, std::numeric_limits<std::int32_t>::max())},
      {"UpdateServiceRequest.placementConstraints", at_most(10)},
      {"UpdateServiceRequest.placementStrategy", at_most(5)},
      {"UpdateServiceRequest.capacityProviderStrategy", at_most(20)},
      {"UpdateServiceRequest.propagateTags", one_of(kPropagated)},
      {"DeleteServiceRequest.service", required("Service can not be blank.")},
      {"DescribeServicesRequest.services",
       {.required = true, .most = 10, .words = "Services", .text = "Services cannot be empty."}},
      {"DescribeServicesRequest.include", one_of("TAGS")},
      {"ListServicesRequest.launchType", kLaunchType},
      {"ListServicesRequest.schedulingStrategy", one_of("REPLICA,DAEMON", "Scheduling strategy")},
      {"ListServicesRequest.resourceManagementType", one_of("CUSTOMER,ECS")},
      {"ListServicesRequest.maxResults", between(1, 100)},
      {"ListServicesByNamespaceRequest.namespace", required()},
      {"ListServicesByNamespaceRequest.maxResults", between(1, 100)},
      {"DescribeServiceDeploymentsRequest.serviceDeploymentArns",
       {.required = true, .most = 20, .words = "Service deployment ARNs"}},
      {"DescribeServiceRevisionsRequest.serviceRevisionArns",
       {.required = true, .most = 20, .words = "Service revision ARNs"}},
      {"ListServiceDeploymentsRequest.service", required("Service can not be blank.")},
      {"ListServiceDeploymentsRequest.status",
       one_of("PENDING,SUCCESSFUL,STOPPED,STOP_REQUESTED,IN_PROGRESS,ROLLBACK_REQUESTED,"
              "ROLLBACK_IN_PROGRESS,ROLLBACK_SUCCESSFUL,ROLLBACK_FAILED")},
      {"ListServiceDeploymentsRequest.maxResults", between(1, 100)},
      {"StopServiceDeploymentRequest.serviceDeploymentArn", required()},
      {"StopServiceDeploymentRequest.stopType", one_of("ABORT,ROLLBACK")},
      {"GetTaskProtectionRequest.cluster", required()},
      {"GetTaskProtectionRequest.tasks", at_most(100)},
      {"UpdateTaskProtectionRequest.cluster", required()},
      {"UpdateTaskProtectionRequest.tasks",
       {.required = true, .most = 10, .words = "Tasks", .text = "Tasks cannot be empty."}},
      {"UpdateTaskProtectionRequest.protectionEnabled", required()},
      {"UpdateTaskProtectionRequest.expiresInMinutes", between(1, 2880)},
      {"TagResourceRequest.resourceArn", required()},
      {"TagResourceRequest.tags", {.required = true, .most = 50}},
      {"UntagResourceRequest.resourceArn", required()},
      {"UntagResourceRequest.tagKeys", {.required = true, .most = 50}},
      {"ListTagsForResourceRequest.resourceArn", required()},
      {"DeploymentCircuitBreaker.enable", required()},
      {"DeploymentCircuitBreaker.rollback", required()},
      {"ThresholdConfiguration.type", must_be("COUNT,BOUNDED_PERCENT,UNBOUNDED_PERCENT")},
      {"DeploymentConfiguration.strategy", one_of("ROLLING,BLUE_GREEN,LINEAR,CANARY")},
      {"DeploymentConfiguration.maximumPercent",
       between(0, std::numeric_limits<std::int32_t>::max())},
      {"DeploymentConfiguration.minimumHealthyPercent",
       between(0, std::numeric_limits<std::int32_t>::max())},
      {"DeploymentController.type", must_be("ECS,CODE_DEPLOY,EXTERNAL")},
      {"WatchTaskRequest.task", required()},
      {"WatchTaskRequest.cursor", between(0, std::numeric_limits<std::int64_t>::max())},
      {"WatchTaskRequest.timeoutSeconds", between(0, 60)},
      {"ListAgentsRequest.maxResults", between(1, 1000)},
      {"RemoveAgentRequest.agent", required()},
      {"TaskStatsRequest.tasks", at_most(100)},
      {"ListImagesRequest.containerInstances", at_most(100)},
      {"PullImageRequest.image", required()},
      {"PullImageRequest.containerInstances", at_most(100)},
      {"PullImageRequest.timeoutSeconds", between(0, 20)},
      {"PruneImagesRequest.containerInstances", at_most(100)},
      {"PruneImagesRequest.minAgeSeconds", between(0, std::numeric_limits<std::int32_t>::max())},
      {"PlanTaskRequest.count", between(1, 10'000)},
      {"PlanTaskRequest.launchType", kLaunchType},
      {"PlanTaskRequest.group", at_most(255)},
      {"PlanTaskRequest.placementConstraints", at_most(10)},
      {"PlanTaskRequest.placementStrategy", at_most(5)},
      {"PlanTaskRequest.capacityProviderStrategy", at_most(20)},
      {"PlanRequirement.cpu", between(0, 1 << 30)},
      {"PlanRequirement.memory", between(0, 1 << 30)},
      {"PlanRequirement.gpus", between(0, 1024)},
      {"PlanRequirement.ports", at_most(100)},
      {"PlanRequirement.attributes", at_most(100)},
      {"PlanPort.hostPort", {.required = true, .least = 1, .most = 65'535}},
      {"PlanPort.protocol", one_of("tcp,udp")},
      {"ExplainTaskRequest.group", at_most(255)},
      // What several requests hold
      {"Tag.key", required("Tag key should not be null or empty.")},
      {"ClusterSetting.name", must_be("containerInsights")},
      {"ClusterSetting.value", must_be("enabled,disabled,enhanced")},
      {"ClusterServiceConnectDefaultsRequest.namespace", required()},
      {"ExecuteCommandConfiguration.logging", one_of("NONE,DEFAULT,OVERRIDE")},
      {"CapacityProviderStrategyItem.capacityProvider", required()},
      {"CapacityProviderStrategyItem.weight", between(0, 1000)},
      {"CapacityProviderStrategyItem.base", between(0, 100'000)},
      {"PlacementConstraint.type", must_be("distinctInstance,memberOf")},
      {"PlacementStrategy.type", required()},
      {"AwsVpcConfiguration.subnets",
       {.required = true, .most = 16, .words = "subnets", .text = "subnets can not be empty."}},
      {"AwsVpcConfiguration.securityGroups", at_most(5)},
      {"AwsVpcConfiguration.assignPublicIp", one_of(kEnabled)},
      {"TaskVolumeConfiguration.name", required()},
      {"TaskManagedEBSVolumeConfiguration.roleArn", required()},
      {"TaskManagedEBSVolumeConfiguration.filesystemType", one_of("ext3,ext4,xfs,ntfs")},
      {"TaskManagedEBSVolumeTerminationPolicy.deleteOnTermination", required()},
      {"EBSTagSpecification.resourceType", must_be("volume")},
      {"EBSTagSpecification.propagateTags", one_of("TASK_DEFINITION,SERVICE,NONE")},
      // Task definitions and their overrides
      {"ContainerDefinition.name", required("Container.name should not be null or empty.")},
      {"ContainerDefinition.image", required("Container.image should not be null or empty.")},
      {"ContainerDefinition.cpu", between(0, 196'608)},
      {"ContainerDefinition.memory", between(4, 1 << 30)},
      {"ContainerDefinition.memoryReservation", between(4, 1 << 30)},
      {"ContainerDefinition.startTimeout", between(1, 86'400)},
      {"ContainerDefinition.stopTimeout", between(0, 86'400)},
      {"ContainerDefinition.versionConsistency", one_of("enabled,disabled")},
      {"ContainerOverride.cpu", between(0, 196'608)},
      {"ContainerOverride.memory", between(4, 1 << 30)},
      {"ContainerOverride.memoryReservation", between(4, 1 << 30)},
      {"ContainerOverride.name",
       required("Container name in an override should not be null or empty.")},
      {"PortMapping.containerPort", between(1, 65'535)},
      {"PortMapping.hostPort", between(0, 65'535)},
      {"PortMapping.protocol", one_of("tcp,udp")},
      {"PortMapping.appProtocol", one_of("http,http2,grpc")},
      {"ContainerDependency.containerName", required()},
      {"ContainerDependency.condition", must_be("START,COMPLETE,SUCCESS,HEALTHY")},
      {"ContainerRestartPolicy.enabled", required()},
      {"ContainerRestartPolicy.ignoredExitCodes", at_most(50)},
      {"ContainerRestartPolicy.restartAttemptPeriod", between(60, 1800)},
      {"Device.hostPath", required()},
      {"Device.permissions", one_of("read,write,mknod")},
      {"EnvironmentFile.value", required()},
      {"EnvironmentFile.type", must_be("s3")},
      {"EphemeralStorage.sizeInGiB", {.required = true, .least = 21, .most = 200}},
      {"FirelensConfiguration.type", must_be("fluentd,fluentbit")},
      {"HealthCheck.command", required()},
      {"HealthCheck.interval", between(5, 300)},
      {"HealthCheck.timeout", between(2, 60)},
      {"HealthCheck.retries", between(1, 10)},
      {"HealthCheck.startPeriod", between(0, 300)},
      {"HostEntry.hostname", required()},
      {"HostEntry.ipAddress", required()},
      {"InferenceAccelerator.deviceName", required()},
      {"InferenceAccelerator.deviceType", required()},
      {"LinuxParameters.sharedMemorySize", between(1, 1 << 30)},
      {"LinuxParameters.maxSwap", between(0, 1 << 30)},
      {"LinuxParameters.swappiness", between(0, 100)},
      // "none" is what ECS's agents know and its API does not name.
      {"LogConfiguration.logDriver",
       must_be("json-file,syslog,journald,gelf,fluentd,awslogs,splunk,awsfirelens,none")},
      {"MountPoint.containerPath", required()},
      {"MountPoint.sourceVolume", required()},
      {"ProxyConfiguration.containerName", required()},
      {"ProxyConfiguration.type", one_of("APPMESH")},
      {"RepositoryCredentials.credentialsParameter", required()},
      {"ResourceRequirement.value", required()},
      {"ResourceRequirement.type", must_be("GPU,InferenceAccelerator")},
      {"RuntimePlatform.cpuArchitecture", one_of("X86_64,ARM64")},
      {"RuntimePlatform.operatingSystemFamily",
       one_of("WINDOWS_SERVER_2019_FULL,WINDOWS_SERVER_2019_CORE,WINDOWS_SERVER_2016_FULL,"
              "WINDOWS_SERVER_2004_CORE,WINDOWS_SERVER_2022_CORE,WINDOWS_SERVER_2022_FULL,"
              "WINDOWS_SERVER_2025_CORE,WINDOWS_SERVER_2025_FULL,WINDOWS_SERVER_20H2_CORE,LINUX")},
      {"Secret.name", required()},
      {"Secret.valueFrom", required()},
      {"SystemControl.namespace", required()},
      {"SystemControl.value", required()},
      {"TaskDefinitionPlacementConstraint.type", must_be("memberOf")},
      {"Tmpfs.containerPath", required()},
      {"Tmpfs.size", {.required = true, .least = 1, .most = 1 << 30}},
      {"Ulimit.name",
       must_be("core,cpu,data,fsize,locks,memlock,msgqueue,nice,nofile,nproc,rss,rtprio,rttime,"
               "sigpending,stack")},
      {"Ulimit.softLimit", required()},
      {"Ulimit.hardLimit", required()},
      {"Volume.name", required()},
      {"VolumeFrom.sourceContainer", required()},
      {"DockerVolumeConfiguration.scope", one_of("task,shared")},
      {"EFSVolumeConfiguration.fileSystemId", required()},
      {"EFSVolumeConfiguration.transitEncryption", one_of(kEnabled)},
      {"EFSVolumeConfiguration.transitEncryptionPort", between(1, 65'535)},
      {"EFSAuthorizationConfig.iam", one_of(kEnabled)},
      {"S3FilesVolumeConfiguration.fileSystemArn", required()},
      {"FSxWindowsFileServerVolumeConfiguration.fileSystemId", required()},
      {"FSxWindowsFileServerVolumeConfiguration.rootDirectory", required()},
      {"FSxWindowsFileServerVolumeConfiguration.authorizationConfig", required()},
      {"FSxWindowsFileServerAuthorizationConfig.credentialsParameter", required()},
      {"FSxWindowsFileServerAuthorizationConfig.domain", required()},
  };
  return kRules;
}

bool is_one_of(std::string_view value, std::string_view values) {
  while (true) {
    const std::size_t comma = values.find(',');
    if (values.substr(0, comma) == value) return true;
    if (comma == std::string_view::npos) return false;
    values.remove_prefix(comma + 1);
  }
}

class Checker {
 public:
  explicit Checker(Subject subject) : subject_(subject) {}

  Result<void> message(const pb::Message& message, const std::string& path) {
    const pb::Descriptor& type = *message.GetDescriptor();
    for (int i = 0; i < type.field_count(); ++i) {
      const pb::FieldDescriptor& field = *type.field(i);
      const std::string here = path.empty() ? field.json_name() : path + "." + field.json_name();
      const auto rule = rules().find(type.name() + "." + field.json_name());
      if (rule != rules().end()) {
        if (auto done = member(message, field, rule->second, here); !done) return done;
      }
      if (auto done = below(message, field, here); !done) return done;
    }
    return {};
  }

 private:
  tl::unexpected<Error> refuse(const Rule& rule, const std::string& path, std::string text) {
    const Subject subject = rule.client_exception ? Subject::Definition : subject_;
    return fail(Errc::Invalid, std::move(text), subject, path);
  }
  static std::string name(const Rule& rule, const std::string& path) {
    return rule.words.empty() ? path : std::string(rule.words);
  }

  Result<void> below(const pb::Message& parent, const pb::FieldDescriptor& field,
                     const std::string& path) {
    if (field.cpp_type() != Type::CPPTYPE_MESSAGE || field.is_map()) return {};
    const pb::Reflection& reflection = *parent.GetReflection();
    if (!field.is_repeated()) {
      if (!reflection.HasField(parent, &field)) return {};
      return message(reflection.GetMessage(parent, &field), path);
    }
    for (int i = 0; i < reflection.FieldSize(parent, &field); ++i) {
      auto done = message(reflection.GetRepeatedMessage(parent, &field, i),
                          path + "[" + std::to_string(i) + "]");
      if (!done) return done;
    }
    return {};
  }

  Result<void> member(const pb::Message& message, const pb::FieldDescriptor& field,
                      const Rule& rule, const std::string& path) {
    const pb::Reflection& reflection = *message.GetReflection();
    const bool text = field.cpp_type() == Type::CPPTYPE_STRING;
    const int size = field.is_repeated() ? reflection.FieldSize(message, &field) : -1;
    const bool present = field.is_repeated() ? size > 0 : reflection.HasField(message, &field);
    const bool blank =
        !present || (text && size < 0 && reflection.GetString(message, &field).empty());
    if (rule.required && blank) {
      return refuse(rule, path,
                    rule.text.empty() ? name(rule, path) + " should not be null or empty."
                                      : std::string(rule.text));
    }
    if (!present) return {};
    if (!rule.one_of.empty()) {
      for (int i = size < 0 ? -1 : 0; i < size || i < 0; ++i) {
        const std::string value = i < 0 ? reflection.GetString(message, &field)
                                        : reflection.GetRepeatedString(message, &field, i);
        if (!is_one_of(value, rule.one_of)) {
          return refuse(rule, path,
                        rule.text.empty() ? name(rule, path) + " should be one of [" +
                                                std::string(rule.one_of) + "]"
                                          : std::string(rule.text));
        }
        if (i < 0) break;
      }
    }
    return bounds(message, field, rule, path);
  }

  Result<void> bounds(const pb::Message& message, const pb::FieldDescriptor& field,
                      const Rule& rule, const std::string& path) {
    if (rule.least == kNone && rule.most == kNone) return {};
    const pb::Reflection& reflection = *message.GetReflection();
    std::int64_t value = 0;
    std::string_view unit;
    if (field.is_repeated()) {
      value = reflection.FieldSize(message, &field);
      unit = " entries";
    } else if (field.cpp_type() == Type::CPPTYPE_STRING) {
      value = static_cast<std::int64_t>(reflection.GetString(message, &field).size());
      unit = " characters";
    } else if (field.cpp_type() == Type::CPPTYPE_INT64) {
      value = reflection.GetInt64(message, &field);
    } else {
      value = reflection.GetInt32(message, &field);
    }
    if (rule.least != kNone && value < rule.least) {
      return refuse(rule, path,
                    name(rule, path) + " must be between " + std::to_string(rule.least) + " and " +
                        std::to_string(rule.most) + ".");
    }
    if (rule.most != kNone && value > rule.most) {
      const std::string limit = std::to_string(rule.most) + std::string(unit);
      return refuse(rule, path,
                    rule.least != kNone ? name(rule, path) + " must be between " +
                                              std::to_string(rule.least) + " and " + limit + "."
                                        : name(rule, path) + " can have at most " + limit + ".");
    }
    return {};
  }

  Subject subject_;
};

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
constexpr std::string_view kSingle[] = {"Cluster.statistics",
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

Result<void> check_shape(const pb::Message& request, Subject subject) {
  return Checker(subject).message(request, "");
}

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
