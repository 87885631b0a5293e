// SPDX-License-Identifier: Apache-2.0
#include "core/api/berth/images.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "berth/model/berth_operations.pb.h"

namespace berth::api {
namespace {

constexpr std::int32_t kDefaultWaitSeconds = 1;
constexpr std::size_t kPullIdMost = 64;

// Whom to ask.
struct Instances {
  std::map<NodeId, PluginName> asked;
  std::vector<std::string> missing;  // ARNs
};

// Collects an answer of each instance; `Response` has `failures`.
template <typename Response, typename Answer>
class Gathering : public std::enable_shared_from_this<Gathering<Response, Answer>> {
 public:
  // What an instance's answer adds to the response.
  using Take = std::function<void(const std::string& arn, const Answer& answer, Response& into)>;

  Gathering(Call call, ClusterName cluster, Instances instances, Take take)
      : call_(std::move(call)),
        cluster_(std::move(cluster)),
        instances_(std::move(instances)),
        take_(std::move(take)),
        open_(instances_.asked.size()) {}

  // `ask(plugin, node, done)` puts the question to one instance. `response` is what it begins with.
  template <typename Ask>
  void begin(Response response, Ask ask) {
    response_ = std::move(response);
    for (const std::string& arn : instances_.missing) add_failure(arn, "MISSING", "");
    if (open_ == 0) return call_.reply(response_);
    for (const auto& [node, plugin] : instances_.asked) {
      ask(plugin, node, [self = this->shared_from_this(), node = node](Result<Answer> answered) {
        self->note(node, std::move(answered));
      });
    }
  }

 private:
  void note(const NodeId& node, Result<Answer> answered) {
    const std::lock_guard lock(mutex_);
    answers_.emplace(node, std::move(answered));
    if (--open_ > 0) return;
    // The last answer comes on the core's loop, which has better to do than to encode.
    call_.backend().post([self = this->shared_from_this()] { self->reply(); });
  }

  void reply() {
    for (const auto& [node, answered] : answers_) {
      const std::string arn = call_.realm().container_instance_arn(cluster_, node);
      if (answered) {
        take_(arn, *answered, response_);
      } else {
        const bool lacks = answered.error().code == Errc::Unimplemented;
        add_failure(arn, lacks ? "UNSUPPORTED" : "UNAVAILABLE", answered.error().message);
      }
    }
    call_.reply(response_);
  }

  void add_failure(const std::string& arn, const char* reason, const std::string& detail) {
    auto& failure = *response_.add_failures();
    failure.set_arn(arn);
    failure.set_reason(reason);
    if (!detail.empty()) failure.set_detail(detail);
  }

  const Call call_;
  const ClusterName cluster_;
  const Instances instances_;
  const Take take_;
  std::mutex mutex_;
  std::size_t open_;
  std::map<NodeId, Result<Answer>> answers_;
  Response response_;
};

Result<Instances> find(const control::State& state, const ClusterName& cluster,
                       const std::vector<std::string>& ids, const Realm& realm) {
  if (auto known = active_cluster(state, cluster); !known) return tl::unexpected(known.error());
  Instances found;
  const auto at = [&](const NodeId& id) -> const ContainerInstance* {
    const auto it = state.instances().find(id);
    const bool here = it != state.instances().end() && it->second->cluster == cluster &&
                      it->second->status != InstanceStatus::Inactive;
    return here ? it->second.get() : nullptr;
  };
  for (const std::string& id : ids) {
    if (const auto* instance = at(NodeId(id))) {
      found.asked.emplace(instance->id, instance->plugin);
    } else {
      found.missing.push_back(realm.container_instance_arn(cluster, NodeId(id)));
    }
  }
  if (ids.empty()) {
    for (const NodeId& id : state.instances_of(cluster)) {
      if (const auto* instance = at(id)) found.asked.emplace(instance->id, instance->plugin);
    }
  }
  return found;
}

// Finds the instances that `request` names, and calls `then(call, cluster, instances)`.
template <typename Request, typename Then>
void with_instances(const Call& call, const Request& request, Then then) {
  auto cluster = cluster_of(call.backend(), request.has_cluster(), request.cluster());
  if (!cluster) return call.refuse(cluster.error());
  std::vector<std::string> ids;
  for (const std::string& name : request.container_instances()) {
    auto id = id_in_cluster(name, "container-instance", *cluster);
    if (!id) return call.refuse(id.error());
    ids.push_back(std::move(*id));
  }
  call.query([cluster = *cluster, ids = std::move(ids), realm = call.realm()](
                 const control::State& state) { return find(state, cluster, ids, realm); },
             [cluster = *cluster, then = std::move(then)](const Call& found, Instances instances) {
               then(found, cluster, std::move(instances));
             });
}

std::int64_t count(std::uint64_t value) {
  return static_cast<std::int64_t>(value);
}

model::StoredImage show(const v1::StoredImage& image, const ClusterName& cluster,
                        const Realm& realm) {
  model::StoredImage shown;
  shown.set_image(image.reference());
  shown.set_digest(image.digest());
  shown.set_image_id(image.id());
  shown.set_platform(image.platform());
  shown.set_size_bytes(count(image.size_bytes()));
  shown.set_unique_bytes(count(image.unique_bytes()));
  if (image.has_pulled_at()) *shown.mutable_pulled_at() = image.pulled_at();
  if (image.has_last_used_at()) *shown.mutable_last_used_at() = image.last_used_at();
  for (const std::string& id : image.task_ids()) {
    shown.add_task_arns(realm.task_arn(cluster, TaskId(id)));
  }
  return shown;
}

model::InstancePull show(const v1::PullImageResponse& pull, const std::string& arn) {
  model::InstancePull shown;
  shown.set_container_instance_arn(arn);
  switch (pull.state()) {
    case v1::PullImageResponse::STATE_PULLING:
      shown.set_status("PULLING");
      break;
    case v1::PullImageResponse::STATE_PULLED:
      shown.set_status("PULLED");
      break;
    default:  // whoever says nothing has not got it
      shown.set_status("FAILED");
      break;
  }
  shown.set_bytes_done(pull.progress().bytes_done());
  shown.set_bytes_total(pull.progress().bytes_total());
  shown.set_layers_done(static_cast<std::int32_t>(pull.progress().layers_done()));
  shown.set_layers_total(static_cast<std::int32_t>(pull.progress().layers_total()));
  if (!pull.digest().empty()) shown.set_digest(pull.digest());
  if (!pull.reason().empty()) shown.set_reason(pull.reason());
  return shown;
}

bool is_pull_id(const std::string& text) {
  return text.size() <= kPullIdMost && std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_';
         });
}

}  // namespace

void list_images(const Call& call, ImageSource& source) {
  model::ListImagesRequest request;
  if (!call.read(request)) return;
  with_instances(
      call, request, [&source](const Call& found, const ClusterName& cluster, Instances instances) {
        using Gather = Gathering<model::ListImagesResponse, v1::ListImagesResponse>;
        const auto take = [cluster, realm = found.realm()](const std::string& arn,
                                                           const v1::ListImagesResponse& answer,
                                                           model::ListImagesResponse& into) {
          auto& instance = *into.add_container_instances();
          instance.set_container_instance_arn(arn);
          instance.set_stored_bytes(count(answer.stored_bytes()));
          instance.set_free_bytes(count(answer.free_bytes()));
          for (const auto& image : answer.images())
            *instance.add_images() = show(image, cluster, realm);
        };
        std::make_shared<Gather>(found, cluster, std::move(instances), take)
            ->begin({}, [&source](const PluginName& plugin, const NodeId& node, auto done) {
              v1::ListImagesRequest ask;
              ask.set_node_id(node.str());
              source.list(plugin, ask, std::move(done));
            });
      });
}

void pull_image(const Call& call, ImageSource& source, std::string fresh_id) {
  model::PullImageRequest request;
  if (!call.read(request)) return;
  if (!request.has_pull_id() || request.pull_id().empty()) request.set_pull_id(std::move(fresh_id));
  if (!is_pull_id(request.pull_id())) {
    return call.refuse(Error{Errc::Invalid,
                             "pullId has up to 64 letters, digits, hyphens and underscores.",
                             Subject::Request,
                             "pullId",
                             {}});
  }
  const auto wait = request.has_timeout_seconds() ? request.timeout_seconds() : kDefaultWaitSeconds;
  v1::PullImageRequest ask;
  ask.set_pull_id(request.pull_id());
  ask.set_image(request.image());
  ask.set_execution_role_arn(request.execution_role_arn());
  ask.set_credentials(request.credentials_parameter());
  ask.set_wait_ms(static_cast<std::uint32_t>(wait) * 1000);
  with_instances(
      call, request,
      [&source, ask](const Call& found, const ClusterName& cluster, Instances instances) {
        using Gather = Gathering<model::PullImageResponse, v1::PullImageResponse>;
        model::PullImageResponse response;
        response.set_pull_id(ask.pull_id());
        const auto take = [](const std::string& arn, const v1::PullImageResponse& answer,
                             model::PullImageResponse& into) {
          *into.add_pulls() = show(answer, arn);
        };
        std::make_shared<Gather>(found, cluster, std::move(instances), take)
            ->begin(std::move(response),
                    [&source, ask](const PluginName& plugin, const NodeId& node, auto done) {
                      v1::PullImageRequest one = ask;
                      one.set_node_id(node.str());
                      source.pull(plugin, one, std::move(done));
                    });
      });
}

void prune_images(const Call& call, ImageSource& source) {
  model::PruneImagesRequest request;
  if (!call.read(request)) return;
  v1::PruneImagesRequest ask;
  if (request.has_min_age_seconds()) {
    ask.set_min_age_seconds(static_cast<std::uint64_t>(request.min_age_seconds()));
  }
  with_instances(
      call, request,
      [&source, ask](const Call& found, const ClusterName& cluster, Instances instances) {
        using Gather = Gathering<model::PruneImagesResponse, v1::PruneImagesResponse>;
        const auto take = [](const std::string& arn, const v1::PruneImagesResponse& answer,
                             model::PruneImagesResponse& into) {
          auto& pruned = *into.add_container_instances();
          pruned.set_container_instance_arn(arn);
          *pruned.mutable_images() = answer.references();
          pruned.set_freed_bytes(count(answer.freed_bytes()));
        };
        std::make_shared<Gather>(found, cluster, std::move(instances), take)
            ->begin({}, [&source, ask](const PluginName& plugin, const NodeId& node, auto done) {
              v1::PruneImagesRequest one = ask;
              one.set_node_id(node.str());
              source.prune(plugin, one, std::move(done));
            });
      });
}

}  // namespace berth::api
