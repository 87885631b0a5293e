// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>

#include "core/api/ecs/definition.hpp"
#include "core/api/ecs/operations.hpp"
#include "core/api/ecs/pages.hpp"
#include "core/api/ecs/show.hpp"

namespace berth::api {
namespace {

constexpr std::size_t kDefinitionBytes = 64 * 1024;
constexpr int kPageSize = 100;
// Records looked at in one visit to the loop; a page may hold fewer than asked for.
constexpr int kScan = 5000;

// Encodes with the members that the model does not know where they were given.
template <typename Response>
void reply_definition(const Call& call, const Response& response, const std::string& unknown_json) {
  if (unknown_json.empty()) return call.reply(response);
  const auto unknown = json::parse(unknown_json);
  if (!unknown) return call.reply(response);
  call.reply(response, {.unknown = &*unknown, .at = &response.task_definition()});
}

Error unknown_definition() {
  return {Errc::NotFound, "Unable to describe task definition.", Subject::TaskDefinition,
          "taskDefinition"};
}

// A place in the order of families and revisions.
struct Place {
  FamilyName family;
  std::int32_t revision = 0;
};

std::string key_of(const Place& place) {
  return place.family.str() + ":" + std::to_string(place.revision);
}

Result<Place> place_of(const std::string& key) {
  auto id = parse_definition(key);
  if (!id) return fail(Errc::Invalid, "Invalid token.", Subject::Request, "nextToken");
  return Place{id->family, id->revision};
}

struct DefinitionFilter {
  std::string family;  // empty: all
  std::string status;
};

// Goes through the revisions of all families after `after`, in order or against it.
class Pager {
 public:
  Pager(DefinitionFilter filter, int size, const Realm& realm)
      : filter_(std::move(filter)), size_(size), realm_(realm) {}

  // False where the page is full, or the visit long enough.
  bool see(const TaskDefinition& definition) {
    if (response_.task_definition_arns_size() == size_ || ++seen_ > kScan) {
      more_ = true;
      return false;
    }
    last_ = {definition.id.family, definition.id.revision};
    if (definition.message.status() == filter_.status) {
      response_.add_task_definition_arns(realm_.task_definition_arn(definition.id));
    }
    return true;
  }
  [[nodiscard]] bool wants(const FamilyName& family) const {
    return filter_.family.empty() || family.str() == filter_.family;
  }
  model::ListTaskDefinitionsResponse finish(const std::string& binding) {
    if (more_) response_.set_next_token(make_token(binding, key_of(last_)));
    return std::move(response_);
  }

 private:
  DefinitionFilter filter_;
  int size_;
  const Realm& realm_;
  model::ListTaskDefinitionsResponse response_;
  Place last_;
  int seen_ = 0;
  bool more_ = false;
};

void page_up(const control::State& state, const std::optional<Place>& after,
             const DefinitionFilter& filter, Pager& pager) {
  const auto& families = state.families();
  auto it = !filter.family.empty() ? families.lower_bound(FamilyName(filter.family))
            : after                ? families.lower_bound(after->family)
                                   : families.begin();
  for (; it != families.end() && pager.wants(it->first); ++it) {
    const auto& revisions = it->second.revisions;
    const bool resumed = after && it->first == after->family;
    auto revision = resumed ? revisions.upper_bound(after->revision) : revisions.begin();
    for (; revision != revisions.end(); ++revision) {
      if (!pager.see(*revision->second)) return;
    }
  }
}

void page_down(const control::State& state, const std::optional<Place>& after,
               const DefinitionFilter& filter, Pager& pager) {
  const auto& families = state.families();
  auto it = !filter.family.empty() ? families.upper_bound(FamilyName(filter.family))
            : after                ? families.upper_bound(after->family)
                                   : families.end();
  while (it != families.begin()) {
    --it;
    if (!pager.wants(it->first)) return;
    const auto& revisions = it->second.revisions;
    const bool resumed = after && it->first == after->family;
    auto revision = resumed ? revisions.lower_bound(after->revision) : revisions.end();
    while (revision != revisions.begin()) {
      --revision;
      if (!pager.see(*revision->second)) return;
    }
  }
}

}  // namespace

void register_task_definition(const Call& call) {
  if (call.body().size() > kDefinitionBytes) {
    return call.refuse(Error{Errc::Invalid,
                             "Actual length: '" + std::to_string(call.body().size()) +
                                 "'. Max allowed length is '" + std::to_string(kDefinitionBytes) +
                                 "' bytes.",
                             Subject::Definition});
  }
  control::RegisterTaskDefinition command;
  json::Decoded decoded;
  if (!call.read(command.request, Subject::Definition, &decoded)) return;
  if (auto checked = check_definition(command.request, call.backend().check_expression); !checked) {
    return call.refuse(checked.error());
  }
  fill_defaults(command.request);
  command.requires_attributes = required_attributes(command.request);
  command.compatibilities = compatible_launch_types(command.request);
  command.unknown_members_json = decoded.unknown_json();
  command.registered_by = call.principal();
  call.submit(std::move(command), [](const Call& answered, const control::Answer& answer) {
    const auto definition = std::get<TaskDefinitionPtr>(answer);
    model::RegisterTaskDefinitionResponse response;
    *response.mutable_task_definition() = show_definition(*definition, answered.realm());
    for (const auto& tag : definition->tags) *response.add_tags() = tag;
    reply_definition(answered, response, definition->unknown_members_json);
  });
}

void describe_task_definition(const Call& call) {
  model::DescribeTaskDefinitionRequest request;
  if (!call.read(request)) return;
  auto id = parse_definition(request.task_definition());
  if (!id) return call.refuse(id.error());
  call.query(
      [id = *id](const control::State& state) -> Result<TaskDefinitionPtr> {
        auto definition = state.definition(id);
        if (definition == nullptr) return tl::unexpected(unknown_definition());
        return definition;
      },
      [tags = request.include_size() > 0](const Call& answered,
                                          const TaskDefinitionPtr& definition) {
        model::DescribeTaskDefinitionResponse response;
        *response.mutable_task_definition() = show_definition(*definition, answered.realm());
        if (tags) {
          for (const auto& tag : definition->tags) *response.add_tags() = tag;
        }
        reply_definition(answered, response, definition->unknown_members_json);
      });
}

void deregister_task_definition(const Call& call) {
  model::DeregisterTaskDefinitionRequest request;
  if (!call.read(request)) return;
  auto id = parse_definition(request.task_definition());
  if (!id) return call.refuse(id.error());
  if (id->revision == 0) {
    return call.refuse(
        Error{Errc::Invalid, "Revision is missing.", Subject::TaskDefinition, "taskDefinition"});
  }
  call.submit(control::DeregisterTaskDefinition{std::move(request)},
              [](const Call& answered, const control::Answer& answer) {
                const auto definition = std::get<TaskDefinitionPtr>(answer);
                model::DeregisterTaskDefinitionResponse response;
                *response.mutable_task_definition() =
                    show_definition(*definition, answered.realm());
                reply_definition(answered, response, definition->unknown_members_json);
              });
}

void list_task_definitions(const Call& call) {
  model::ListTaskDefinitionsRequest request;
  if (!call.read(request)) return;
  const std::string binding = page_binding(request);
  std::optional<Place> after;
  if (!request.next_token().empty()) {
    auto place = read_token(binding, request.next_token()).and_then(place_of);
    if (!place) return call.refuse(place.error());
    after = std::move(*place);
  }
  const DefinitionFilter filter{request.family_prefix(),
                                request.has_status() ? request.status() : "ACTIVE"};
  const int size = request.has_max_results() ? request.max_results() : kPageSize;
  call.query(
      [binding, after, filter, size, down = request.sort() == "DESC",
       realm = call.realm()](const control::State& state) {
        Pager pager(filter, size, realm);
        (down ? page_down : page_up)(state, after, filter, pager);
        return pager.finish(binding);
      },
      [](const Call& answered, const model::ListTaskDefinitionsResponse& response) {
        answered.reply(response);
      });
}

void list_task_definition_families(const Call& call) {
  model::ListTaskDefinitionFamiliesRequest request;
  if (!call.read(request)) return;
  const std::string binding = page_binding(request);
  std::string after;
  if (!request.next_token().empty()) {
    auto key = read_token(binding, request.next_token());
    if (!key) return call.refuse(key.error());
    after = std::move(*key);
  }
  const int size = request.has_max_results() ? request.max_results() : kPageSize;
  call.query(
      [binding, after, size, prefix = request.family_prefix(),
       status = request.status()](const control::State& state) {
        model::ListTaskDefinitionFamiliesResponse response;
        const auto& families = state.families();
        auto it = after.empty() ? families.lower_bound(FamilyName(prefix))
                                : families.upper_bound(FamilyName(after));
        std::string last;
        for (int seen = 0; it != families.end() && it->first.str().starts_with(prefix); ++it) {
          if (response.families_size() == size || ++seen > kScan) {
            response.set_next_token(make_token(binding, last));
            break;
          }
          last = it->first.str();
          const bool wanted = status.empty() || status == "ALL" ||
                              !it->second.active.empty() == (status == "ACTIVE");
          if (wanted && !it->second.revisions.empty()) response.add_families(last);
        }
        return response;
      },
      [](const Call& answered, const model::ListTaskDefinitionFamiliesResponse& response) {
        answered.reply(response);
      });
}

}  // namespace berth::api
