// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/api/ecs/operations.hpp"
#include "core/api/ecs/pages.hpp"
#include "core/api/ecs/show.hpp"

namespace berth::api {
namespace {

constexpr int kPageSize = 100;
constexpr int kScan = 2000;  // instances looked at in one visit to the loop

bool is_attribute_text(std::string_view text, std::string_view others) {
  return !text.empty() && text.size() <= 128 && std::ranges::all_of(text, [&](char c) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return plain || others.find(c) != std::string_view::npos;
  });
}

Error invalid(std::string message) {
  return {Errc::Invalid, std::move(message), Subject::Request, "attributes"};
}

// Checks one, and puts the target's id in the place of an ARN.
Result<void> settle(ecs::Attribute& attribute, const ClusterName& cluster) {
  constexpr std::string_view kNameCharacters = "-_/\\.";
  constexpr std::string_view kValueCharacters = "-_/\\.@: ";
  const std::string& name = attribute.name();
  if (!is_attribute_text(name, kNameCharacters)) {
    return tl::unexpected(
        invalid("Attribute name '" + name +
                "' must be 1 to 128 letters, digits, '-', '_', '/', '\\' or '.'."));
  }
  const std::string& value = attribute.value();
  if (attribute.has_value() && !value.empty() &&
      (!is_attribute_text(value, kValueCharacters) || value.front() == ' ' ||
       value.back() == ' ')) {
    return tl::unexpected(
        invalid("Attribute value '" + value +
                "' must be 1 to 128 letters, digits, '-', '_', '.', '@', '/', '\\', ':' or blanks "
                "within."));
  }
  if (attribute.has_target_type() && attribute.target_type() != "container-instance") {
    return tl::unexpected(invalid("targetType should be one of [container-instance]"));
  }
  if (attribute.target_id().empty()) {
    return tl::unexpected(invalid("Attribute '" + name + "' has no targetId."));
  }
  if (!attribute.target_id().starts_with("arn:") && !attribute.has_target_type()) {
    return tl::unexpected(
        invalid("targetType is required where targetId is not an ARN (attribute '" + name + "')."));
  }
  auto id = id_in_cluster(attribute.target_id(), "container-instance", cluster);
  if (!id) return tl::unexpected(id.error());
  attribute.set_target_id(*id);
  return {};
}

template <typename Request>
Result<std::vector<ecs::Attribute>> settled(const Request& request, const ClusterName& cluster) {
  std::vector<ecs::Attribute> attributes(request.attributes().begin(), request.attributes().end());
  for (auto& attribute : attributes) {
    if (auto done = settle(attribute, cluster); !done) return tl::unexpected(done.error());
  }
  return attributes;
}

ecs::Attribute shown(const ecs::Attribute& attribute, const Realm& realm,
                     const ClusterName& cluster, const NodeId& id) {
  ecs::Attribute out;
  out.set_name(attribute.name());
  if (!attribute.value().empty()) out.set_value(attribute.value());
  out.set_target_id(realm.container_instance_arn(cluster, id));
  return out;
}

template <typename Command, typename Request, typename Response>
void change(const Call& call) {
  Request request;
  if (!call.read(request)) return;
  auto cluster = cluster_of(call.backend(), request.has_cluster(), request.cluster());
  if (!cluster) return call.refuse(cluster.error());
  auto attributes = settled(request, *cluster);
  if (!attributes) return call.refuse(attributes.error());
  call.submit(Command{*cluster, std::move(*attributes)},
              [name = *cluster](const Call& answered, const control::Answer& answer) {
                Response response;
                for (const auto& each : std::get<control::AttributesAnswer>(answer).attributes) {
                  *response.add_attributes() =
                      shown(each, answered.realm(), name, NodeId(each.target_id()));
                }
                answered.reply(response);
              });
}

// Where a page ended: "instance id/attribute name", of which the latter is the greatest there.
struct Place {
  NodeId id;
  std::string name;
};
Place place_of(const std::string& key) {
  const auto slash = key.find('/');
  if (slash == std::string::npos) return {NodeId(key), {}};
  return {NodeId(key.substr(0, slash)), key.substr(slash + 1)};
}

// After all attributes of the instance.
std::string behind(const NodeId& id) {
  return id.str() + "/\x7f";
}

bool wanted(const ecs::Attribute& attribute, const model::ListAttributesRequest& request) {
  if (request.has_attribute_name() && attribute.name() != request.attribute_name()) return false;
  return !request.has_attribute_value() || attribute.value() == request.attribute_value();
}

Result<model::ListAttributesResponse> list(const control::State& state, const ClusterName& cluster,
                                           const Place& after, const Realm& realm,
                                           const model::ListAttributesRequest& request) {
  if (auto known = active_cluster(state, cluster); !known) return tl::unexpected(known.error());
  const std::string binding = page_binding(request);
  const int size = request.has_max_results() ? request.max_results() : kPageSize;
  model::ListAttributesResponse response;
  const auto& ids = state.instances_of(cluster);
  std::string last;
  int seen = 0;
  for (auto it = ids.lower_bound(after.id); it != ids.end(); ++it) {
    if (++seen > kScan) {
      response.set_next_token(make_token(binding, last));
      break;
    }
    const auto instance = state.instance(*it);
    if (instance == nullptr || instance->status == InstanceStatus::Inactive) {
      last = behind(*it);
      continue;
    }
    auto attributes = attributes_of(*instance);
    std::ranges::sort(attributes, {}, [](const auto& each) { return each.name(); });
    for (const auto& attribute : attributes) {
      if (*it == after.id && attribute.name() <= after.name) continue;
      if (!wanted(attribute, request)) continue;
      if (response.attributes_size() == size) {
        response.set_next_token(make_token(binding, last));
        return response;
      }
      *response.add_attributes() = shown(attribute, realm, cluster, *it);
      last = it->str() + "/" + attribute.name();
    }
    last = behind(*it);
  }
  return response;
}

}  // namespace

void put_attributes(const Call& call) {
  change<control::PutAttributes, model::PutAttributesRequest, model::PutAttributesResponse>(call);
}

void delete_attributes(const Call& call) {
  change<control::DeleteAttributes, model::DeleteAttributesRequest,
         model::DeleteAttributesResponse>(call);
}

void list_attributes(const Call& call) {
  model::ListAttributesRequest request;
  if (!call.read(request)) return;
  auto cluster = cluster_of(call.backend(), request.has_cluster(), request.cluster());
  if (!cluster) return call.refuse(cluster.error());
  if (request.has_attribute_value() && !request.has_attribute_name()) {
    return call.refuse(Error{Errc::Invalid, "attributeValue needs attributeName.", Subject::Request,
                             "attributeValue"});
  }
  Place after;
  if (!request.next_token().empty()) {
    auto key = read_token(page_binding(request), request.next_token());
    if (!key) return call.refuse(key.error());
    after = place_of(*key);
  }
  call.query([request, after, name = *cluster, realm = call.realm()](
                 const control::State& state) { return list(state, name, after, realm, request); },
             [](const Call& answered, const model::ListAttributesResponse& response) {
               answered.reply(response);
             });
}

}  // namespace berth::api
