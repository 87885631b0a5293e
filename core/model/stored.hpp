// SPDX-License-Identifier: Apache-2.0
// Records to bytes and back: the messages of stored.proto.
//
// Invariant: decode(encode(record)) is the record. Errors of decode: Internal, for bytes that are
// no such message or lack what the record cannot be without; what has come out of the store is
// never trusted to be well-formed. Threads: any.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "core/model/error.hpp"
#include "core/model/records.hpp"

namespace berth::stored {

// Keys order records within their kind.
[[nodiscard]] std::string key_of(const DefinitionId& id);  // "family:0000000001"
[[nodiscard]] std::string key_of(const ServiceId& id);     // "cluster/name"
[[nodiscard]] std::string key_of(const ServiceId& id,
                                 const DeploymentNumber& number);  // "cluster/name/number"

[[nodiscard]] std::string encode(const Cluster& cluster);
[[nodiscard]] std::string encode(const TaskDefinition& definition);
[[nodiscard]] std::string encode(const Task& task);
[[nodiscard]] std::string encode(const ContainerInstance& instance);
[[nodiscard]] std::string encode(const ClientToken& token);
[[nodiscard]] std::string encode(const Service& service);
[[nodiscard]] std::string encode(const ServiceDeployment& deployment);
[[nodiscard]] std::string encode_family(const FamilyName& family, std::int32_t last_revision);

[[nodiscard]] Result<Cluster> decode_cluster(std::string_view bytes);
[[nodiscard]] Result<TaskDefinition> decode_definition(std::string_view bytes);
// `definitions` finds the record's definition, which it shares; null where there is none, which is
// an error.
[[nodiscard]] Result<Task> decode_task(
    std::string_view bytes,
    const std::function<TaskDefinitionPtr(const DefinitionId&)>& definitions);
// Its node is not connected, whatever it was when it was stored.
[[nodiscard]] Result<ContainerInstance> decode_instance(std::string_view bytes);
[[nodiscard]] Result<ClientToken> decode_token(std::string_view key, std::string_view bytes);
[[nodiscard]] Result<Service> decode_service(std::string_view bytes);
[[nodiscard]] Result<ServiceDeployment> decode_deployment(std::string_view bytes);
struct StoredFamily {
  FamilyName family;
  std::int32_t last_revision = 0;
};
[[nodiscard]] Result<StoredFamily> decode_family(std::string_view bytes);

}  // namespace berth::stored
