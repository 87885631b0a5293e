// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>

#include "core/api/ecs/definition.hpp"
#include "core/api/ecs/operations.hpp"
#include "core/api/ecs/pages.hpp"
#include "core/api/ecs/show.hpp"

namespace berth::api {
namespace {

// Tasks looked at in one visit to the loop, which has other things to do.
constexpr std::size_t kTasksPerLook = 2000;

constexpr ClusterParts kAllParts{.configuration = true, .settings = true, .tags = true};

// How many tasks of which launch type run or wait; the same names that ECS has, capitals included.
struct Statistics {
  std::map<std::string, int> running;
  std::map<std::string, int> pending;
};

void show_statistics(const ClusterView& view, const Statistics& statistics, model::Cluster& shown) {
  const auto add = [&](const char* name, int value) {
    auto& pair = *shown.add_statistics();
    pair.set_name(name);
    pair.set_value(std::to_string(value));
  };
  const auto of = [](const std::map<std::string, int>& counts, const char* type) {
    const auto it = counts.find(type);
    return it == counts.end() ? 0 : it->second;
  };
  add("runningEC2TasksCount", of(statistics.running, "EC2"));
  add("RunningFargateTasksCount", of(statistics.running, "FARGATE"));
  add("pendingEC2TasksCount", of(statistics.pending, "EC2"));
  add("pendingFargateTasksCount", of(statistics.pending, "FARGATE"));
  add("activeEC2ServiceCount", of(view.active_services, "EC2"));
  add("activeFargateServiceCount", of(view.active_services, "FARGATE"));
  add("drainingEC2ServiceCount", of(view.draining_services, "EC2"));
  add("drainingFargateServiceCount", of(view.draining_services, "FARGATE"));
}

// What DescribeClusters has found so far; the statistics are counted cluster by cluster.
struct Description {
  std::vector<ClusterView> views;
  std::vector<Statistics> statistics;
  model::DescribeClustersResponse response;
  ClusterParts parts;
};

void reply_description(const Call& call, Description description) {
  for (std::size_t i = 0; i < description.views.size(); ++i) {
    auto& shown = *description.response.add_clusters();
    shown = show_cluster(description.views[i], call.realm(), description.parts);
    if (i < description.statistics.size()) {
      show_statistics(description.views[i], description.statistics[i], shown);
    }
  }
  call.reply(description.response);
}

// Counts the tasks of one cluster after `last`, then goes on with the rest.
void count_tasks(const Call& call, std::shared_ptr<Description> description, TaskId last) {
  const std::size_t index = description->statistics.size() - 1;
  struct Look {
    Statistics counts;
    TaskId last;
    bool end = true;
  };
  call.query(
      [name = description->views[index].cluster->name, last](const control::State& state) {
        Look look;
        const auto& ids = state.tasks_of(name);
        std::size_t seen = 0;
        for (auto it = ids.upper_bound(last); it != ids.end(); ++it) {
          if (++seen > kTasksPerLook) {
            look.end = false;
            break;
          }
          look.last = *it;
          const auto task = state.task(*it);
          if (task == nullptr) continue;
          if (task->last_status < TaskStatus::Running)
            ++look.counts.pending[task->launch->launch_type];
          if (task->last_status == TaskStatus::Running)
            ++look.counts.running[task->launch->launch_type];
        }
        return look;
      },
      [description](const Call& answered, Look look) {
        Statistics& sum = description->statistics.back();
        for (const auto& [type, count] : look.counts.running) sum.running[type] += count;
        for (const auto& [type, count] : look.counts.pending) sum.pending[type] += count;
        if (!look.end) return count_tasks(answered, description, look.last);
        if (description->statistics.size() == description->views.size()) {
          return reply_description(answered, std::move(*description));
        }
        description->statistics.emplace_back();
        count_tasks(answered, description, TaskId());
      });
}

}  // namespace

void create_cluster(const Call& call) {
  model::CreateClusterRequest request;
  if (!call.read(request)) return;
  if (request.has_cluster_name() && !is_valid_name(request.cluster_name())) {
    return call.refuse(Error{Errc::Invalid,
                             "Invalid cluster name: up to 255 letters, digits, '_' and '-' are "
                             "allowed.",
                             Subject::Request, "clusterName"});
  }
  if (auto tags = check_tags(request.tags()); !tags) return call.refuse(tags.error());
  if (!request.has_cluster_name()) request.set_cluster_name(call.backend().default_cluster);
  call.submit(control::CreateCluster{std::move(request)}, [](const Call& answered,
                                                             const control::Answer& answer) {
    answered.query([cluster = std::get<ClusterPtr>(answer)](
                       const control::State& state) { return cluster_view(state, cluster); },
                   [](const Call& last, const ClusterView& view) {
                     model::CreateClusterResponse response;
                     *response.mutable_cluster() = show_cluster(view, last.realm(), kAllParts);
                     last.reply(response);
                   });
  });
}

void delete_cluster(const Call& call) {
  model::DeleteClusterRequest request;
  if (!call.read(request)) return;
  auto name = cluster_of(call.backend(), true, request.cluster());
  if (!name) return call.refuse(name.error());
  request.set_cluster(name->str());
  call.submit(control::DeleteCluster{std::move(request)}, [](const Call& answered,
                                                             const control::Answer& answer) {
    model::DeleteClusterResponse response;
    *response.mutable_cluster() = show_cluster(
        {.cluster = std::get<ClusterPtr>(answer), .counts = {}}, answered.realm(), kAllParts);
    answered.reply(response);
  });
}

void describe_clusters(const Call& call) {
  model::DescribeClustersRequest request;
  if (!call.read(request)) return;
  std::vector<ClusterName> names;
  for (const std::string& text : request.clusters()) {
    auto name = cluster_of(call.backend(), true, text);
    if (!name) return call.refuse(name.error());
    if (std::ranges::find(names, *name) == names.end()) names.push_back(std::move(*name));
  }
  if (names.empty()) names.emplace_back(call.backend().default_cluster);
  const auto& include = request.include();
  const auto wants = [&](const char* part) {
    return std::ranges::find(include, part) != include.end();
  };
  const ClusterParts parts{.configuration = wants("CONFIGURATIONS"),
                           .settings = wants("SETTINGS"),
                           .tags = wants("TAGS")};
  call.query(
      [names, parts, realm = call.realm()](const control::State& state) {
        Description description;
        description.parts = parts;
        for (const ClusterName& name : names) {
          if (auto cluster = state.cluster(name)) {
            description.views.push_back(cluster_view(state, std::move(cluster)));
          } else {
            *description.response.add_failures() = missing(realm.cluster_arn(name));
          }
        }
        return description;
      },
      [statistics = wants("STATISTICS")](const Call& answered, Description description) {
        if (!statistics || description.views.empty()) {
          return reply_description(answered, std::move(description));
        }
        description.statistics.emplace_back();
        count_tasks(answered, std::make_shared<Description>(std::move(description)), TaskId());
      });
}

void list_clusters(const Call& call) {
  model::ListClustersRequest request;
  if (!call.read(request)) return;
  const std::string binding = page_binding(request);
  ClusterName after;
  if (!request.next_token().empty()) {
    auto key = read_token(binding, request.next_token());
    if (!key) return call.refuse(key.error());
    after = ClusterName(*key);
  }
  const int size = request.has_max_results() ? request.max_results() : 100;
  call.query(
      [binding, after, size, realm = call.realm()](const control::State& state) {
        model::ListClustersResponse response;
        ClusterName last;
        for (auto it = state.clusters().upper_bound(after); it != state.clusters().end(); ++it) {
          if (!it->second->active) continue;
          if (response.cluster_arns_size() == size) {
            response.set_next_token(make_token(binding, last.str()));
            break;
          }
          response.add_cluster_arns(realm.cluster_arn(it->first));
          last = it->first;
        }
        return response;
      },
      [](const Call& answered, const model::ListClustersResponse& response) {
        answered.reply(response);
      });
}

}  // namespace berth::api
