// SPDX-License-Identifier: Apache-2.0
#include "core/control/tagging.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace berth::control {
namespace {

constexpr int kMaxTags = 50;

using Tags = std::vector<ecs::Tag>;

tl::unexpected<Error> missing(const std::string& what) {
  return fail(Errc::NotFound, "The specified " + what + " was not found.", Subject::Request,
              "resourceArn");
}

struct TagsOf {
  const State& state;

  Result<Tags> operator()(const ClusterName& name) const {
    const ClusterPtr cluster = state.cluster(name);
    if (!cluster || !cluster->active) {
      return fail(Errc::NotFound, "Cluster not found.", Subject::Cluster, name.str());
    }
    return cluster->tags;
  }
  Result<Tags> operator()(const DefinitionId& id) const {
    const TaskDefinitionPtr definition = state.definition(id);
    if (!definition) return missing("task definition");
    return definition->tags;
  }
  Result<Tags> operator()(const TaskName& name) const {
    const TaskPtr task = state.task(name.id);
    if (!task || task->cluster != name.cluster) return missing("task");
    return task->launch->tags;
  }
  Result<Tags> operator()(const InstanceName& name) const {
    const ContainerInstancePtr instance = state.instance(name.id);
    const bool there = instance && instance->cluster == name.cluster &&
                       instance->status != InstanceStatus::Inactive;
    if (!there) return missing("container instance");
    return instance->tags;
  }
  Result<Tags> operator()(const ServiceId& id) const {
    const ServicePtr service = state.service(id);
    if (!service || service->inactive()) {
      return fail(Errc::NotFound, "Service not found.", Subject::Service, id.name.str());
    }
    return Tags(service->data.tags().begin(), service->data.tags().end());
  }
};

}  // namespace

bool is_reserved(const std::string& tag_key) {
  constexpr std::string_view kPrefix = "aws:";
  return tag_key.size() >= kPrefix.size() &&
         std::equal(kPrefix.begin(), kPrefix.end(), tag_key.begin(), [](char wanted, char given) {
           return wanted == (given >= 'A' && given <= 'Z' ? given - 'A' + 'a' : given);
         });
}

Result<Tags> tags_of(const State& state, const Resource& resource) {
  return std::visit(TagsOf{state}, resource);
}

Result<Tags> merged_tags(const Tags& before, const TagResource& command) {
  std::map<std::string, ecs::Tag> by_key;
  for (const ecs::Tag& tag : before) by_key[tag.key()] = tag;
  for (const std::string& key : command.without) {
    if (is_reserved(key)) {
      return fail(Errc::Invalid, "The tag '" + key + "' is ECS's own and stays.", Subject::Request,
                  "tagKeys");
    }
    by_key.erase(key);
  }
  for (const ecs::Tag& tag : command.tags) by_key[tag.key()] = tag;
  const auto own = std::count_if(by_key.begin(), by_key.end(),
                                 [](const auto& one) { return !is_reserved(one.first); });
  if (own > kMaxTags) {
    return fail(Errc::NoCapacity, "A resource can have at most 50 tags.", Subject::TagLimit,
                "tags");
  }
  Tags tags;
  for (auto& [key, tag] : by_key) tags.push_back(std::move(tag));
  return tags;
}

void Tagging::tag(const TagResource& command, const Reply& reply) {
  const auto before = tags_of(desk_.state(), command.resource);
  if (!before) return desk_.answer(reply, tl::unexpected(before.error()));
  if (const auto* name = std::get_if<TaskName>(&command.resource)) {
    if (desk_.state().task(name->id)->desired_status == DesiredStatus::Stopped) {
      return desk_.answer(reply, fail(Errc::Invalid, "The task is stopped, and has no tags.",
                                      Subject::Request, "resourceArn"));
    }
  }
  auto tags = merged_tags(*before, command);
  if (!tags) return desk_.answer(reply, tl::unexpected(tags.error()));
  save(command.resource, *tags);
  desk_.answer(reply, Answer(TagsAnswer{*std::move(tags)}));
}

void Tagging::save(const Resource& resource, Tags tags) {
  const State& state = desk_.state();
  struct Save {
    Desk& desk;
    Tagging& room;
    const State& state;
    Tags& tags;
    void operator()(const ClusterName& name) const {
      Cluster after = *state.cluster(name);
      after.tags = std::move(tags);
      desk.save(std::move(after));
    }
    void operator()(const DefinitionId& id) const {
      TaskDefinition after = *state.definition(id);
      after.tags = std::move(tags);
      desk.save(std::move(after));
    }
    void operator()(const TaskName& name) const { room.tasks_.retag(name.id, std::move(tags)); }
    void operator()(const InstanceName& name) const {
      ContainerInstance after = *state.instance(name.id);
      after.tags = std::move(tags);
      after.version += 1;
      desk.save(std::move(after));
    }
    void operator()(const ServiceId& id) const {
      room.rollouts_.edit(id, [&](model::StoredService& change) {
        change.mutable_tags()->Assign(tags.begin(), tags.end());
      });
    }
  };
  std::visit(Save{desk_, *this, state, tags}, resource);
}

}  // namespace berth::control
