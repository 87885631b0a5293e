// SPDX-License-Identifier: Apache-2.0
#include "core/api/ecs/call.hpp"

#include <google/protobuf/message.h>

namespace berth::api {

void Call::reply(const google::protobuf::Message& response, json::EncodeOptions options) const {
  options.show_empty = shows_empty;
  answer_({.status = 200,
           .content_type = "application/x-amz-json-1.1",
           .body = json::encode(response, options)});
}

bool Call::read(google::protobuf::Message& request, Subject subject, json::Decoded* decoded) const {
  // Clients that have nothing to say may send nothing.
  auto read = json::decode(body_.empty() ? std::string_view("{}") : body_, request);
  if (!read) {
    refuse(serialization_exception(read.error()));
    return false;
  }
  if (auto checked = check_shape(request, subject); !checked) {
    refuse(checked.error());
    return false;
  }
  if (decoded != nullptr) {
    *decoded = std::move(*read);
  } else if (read->unknown_count > 0 && backend_->count_unknown) {
    backend_->count_unknown(read->unknown_count);
  }
  return true;
}

void Call::submit(control::Command command,
                  std::function<void(const Call&, control::Answer)> then) const {
  backend_->control.submit(
      std::move(command), [call = *this, then = std::move(then)](Result<control::Answer> answer) {
        auto shared = std::make_shared<Result<control::Answer>>(std::move(answer));
        call.backend().post([call, then, shared] {
          if (!*shared) return call.refuse(shared->error());
          then(call, std::move(**shared));
        });
      });
}

Result<ClusterName> cluster_of(const Backend& backend, bool given, const std::string& text) {
  if (!given || text.empty()) return ClusterName(backend.default_cluster);
  auto name = parse_resource(text, "cluster");
  if (!name) return tl::unexpected(name.error());
  if (!is_valid_name(name->id)) {
    return fail(Errc::Invalid, "Invalid identifier: '" + text + "' is no name of a cluster.",
                Subject::Request, "cluster");
  }
  return ClusterName(name->id);
}

Result<ClusterPtr> active_cluster(const control::State& state, const ClusterName& name) {
  ClusterPtr cluster = state.cluster(name);
  if (cluster == nullptr || !cluster->active) {
    return fail(Errc::NotFound, "Cluster not found.", Subject::Cluster, name.str());
  }
  return cluster;
}

Result<std::string> id_in_cluster(const std::string& text, std::string_view type,
                                  const ClusterName& cluster) {
  auto name = parse_resource(text, type);
  if (!name) return tl::unexpected(name.error());
  if (!name->cluster.empty() && name->cluster != cluster.str()) {
    return fail(Errc::Invalid,
                "Invalid identifier: Identifier is for cluster " + name->cluster +
                    ". Your cluster is " + cluster.str(),
                Subject::Request, std::string(type));
  }
  return name->id;
}

}  // namespace berth::api
