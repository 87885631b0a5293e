// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <set>

#include "core/api/ecs/definition_rules.hpp"

namespace berth::api {
namespace {

using Container = ecs::ContainerDefinition;
using Graph = std::map<std::string, std::set<std::string>>;

const Container* find(const Registration& request, const std::string& name) {
  const auto& containers = request.container_definitions();
  const auto it = std::ranges::find(containers, name, &Container::name);
  return it == containers.end() ? nullptr : &*it;
}

tl::unexpected<Error> refuse(const Container& container, const std::string& text) {
  return refuse_definition("Invalid setting for container '" + container.name() + "'. " + text,
                           "containerDefinitions");
}

Result<void> add_edge(const Registration& request, const Container& from, const std::string& to,
                      const std::string& member, Graph& graph) {
  if (find(request, to) == nullptr) {
    return refuse(from, member + " refers to unknown container '" + to + "'.");
  }
  if (to == from.name()) return refuse(from, member + " refers to the container itself.");
  graph[from.name()].insert(to);
  return {};
}

Result<void> check_condition(const Registration& request, const Container& container,
                             const ecs::ContainerDependency& dependency) {
  const Container& target = *find(request, dependency.container_name());
  const std::string& condition = dependency.condition();
  const bool essential = !target.has_essential() || target.essential();
  if ((condition == "COMPLETE" || condition == "SUCCESS") && essential) {
    return refuse(container, "A dependency with condition " + condition +
                                 " cannot be on the essential container '" + target.name() + "'.");
  }
  if (condition == "HEALTHY" && !target.has_health_check()) {
    return refuse(container, "A dependency with condition HEALTHY needs a health check of '" +
                                 target.name() + "'.");
  }
  return {};
}

Result<void> add_container(const Registration& request, const Container& container, Graph& graph) {
  std::set<std::string> seen;
  for (const auto& dependency : container.depends_on()) {
    const std::string& name = dependency.container_name();
    if (auto done = add_edge(request, container, name, "dependsOn", graph); !done) return done;
    if (!seen.insert(name).second) {
      return refuse(container, "dependsOn names '" + name + "' twice.");
    }
    if (auto done = check_condition(request, container, dependency); !done) return done;
  }
  for (const std::string& link : container.links()) {
    // "name" or "name:alias"
    const std::string name = link.substr(0, link.find(':'));
    if (auto done = add_edge(request, container, name, "links", graph); !done) return done;
  }
  for (const auto& from : container.volumes_from()) {
    auto done = add_edge(request, container, from.source_container(), "volumesFrom", graph);
    if (!done) return done;
  }
  return {};
}

// True where `name` leads back to a container that is on the way already.
bool has_cycle(const Graph& graph, const std::string& name, std::set<std::string>& on_the_way,
               std::set<std::string>& done) {
  if (done.contains(name)) return false;
  if (!on_the_way.insert(name).second) return true;
  if (const auto edges = graph.find(name); edges != graph.end()) {
    for (const std::string& next : edges->second) {
      if (has_cycle(graph, next, on_the_way, done)) return true;
    }
  }
  on_the_way.erase(name);
  done.insert(name);
  return false;
}

}  // namespace

Result<void> check_dependencies(const Registration& request) {
  Graph graph;
  for (const auto& container : request.container_definitions()) {
    if (auto done = add_container(request, container, graph); !done) return done;
  }
  std::set<std::string> done;
  for (const auto& container : request.container_definitions()) {
    std::set<std::string> on_the_way;
    if (has_cycle(graph, container.name(), on_the_way, done)) {
      return refuse(container, "Its dependencies form a cycle.");
    }
  }
  return {};
}

}  // namespace berth::api
