// SPDX-License-Identifier: Apache-2.0
// The operations that are served. Each answers its call exactly once.
//
// Threads: any.
#pragma once

#include <string_view>

#include "core/api/ecs/call.hpp"

namespace berth::api {

using Operation = void (*)(const Call&);

void create_cluster(const Call& call);
void describe_clusters(const Call& call);
void list_clusters(const Call& call);
void delete_cluster(const Call& call);

void create_capacity_provider(const Call& call);
void delete_capacity_provider(const Call& call);
void describe_capacity_providers(const Call& call);
void put_cluster_capacity_providers(const Call& call);

void register_task_definition(const Call& call);
void describe_task_definition(const Call& call);
void deregister_container_instance(const Call& call);
void deregister_task_definition(const Call& call);
void list_task_definitions(const Call& call);
void list_task_definition_families(const Call& call);

void run_task(const Call& call);
void start_task(const Call& call);
void stop_task(const Call& call);
void describe_tasks(const Call& call);
void list_tasks(const Call& call);

void list_container_instances(const Call& call);
void describe_container_instances(const Call& call);
void update_container_instances_state(const Call& call);

void create_service(const Call& call);
void update_service(const Call& call);
void delete_service(const Call& call);
void describe_services(const Call& call);
void list_services(const Call& call);
void list_services_by_namespace(const Call& call);
void describe_service_deployments(const Call& call);
void describe_service_revisions(const Call& call);
void list_service_deployments(const Call& call);
void stop_service_deployment(const Call& call);
void get_task_protection(const Call& call);
void update_task_protection(const Call& call);

void tag_resource(const Call& call);
void untag_resource(const Call& call);
void list_tags_for_resource(const Call& call);

void put_attributes(const Call& call);
void delete_attributes(const Call& call);
void list_attributes(const Call& call);
// Refuses, and names what does it instead (berth/exec.cpp).
void execute_command(const Call& call);

// Berth's own.
void watch_task(const Call& call);
void plan_task(const Call& call);
void explain_task(const Call& call);
void list_agents(const Call& call);
void list_pools(const Call& call);
void remove_agent(const Call& call);
void rest_services(const Call& call);

// Which operation a name stands for, of those of the pinned API model.
struct Lookup {
  Operation operation = nullptr;  // null: not served
  bool known = false;
  std::string_view instead{};  // for one that never will be: what to do in its place, a sentence
};
[[nodiscard]] Lookup find_ecs_operation(std::string_view name);

}  // namespace berth::api
