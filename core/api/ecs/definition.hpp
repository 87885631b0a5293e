// SPDX-License-Identifier: Apache-2.0
// What ECS does with a task definition at registration: checks it, fills in defaults, and derives
// what it asks of its host.
//
// Threads: any.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "berth/model/ecs_operations.pb.h"
#include "core/model/error.hpp"
#include "core/model/records.hpp"

namespace berth::api {

using Registration = model::RegisterTaskDefinitionRequest;
// Whether an expression of the cluster query language can be read.
using ExpressionCheck = std::function<Result<void>(std::string_view)>;

// All rules that need no records, over a request whose shape is right. `cpu` and `memory` come out
// normalised ("1 vCPU" is "1024"). Errors: Invalid, Subject::Definition.
[[nodiscard]] Result<void> check_definition(Registration& request,
                                            const ExpressionCheck& expression);

void fill_defaults(Registration& request);

// Names of the capabilities that a host must have, sorted. After fill_defaults.
[[nodiscard]] std::vector<ecs::Attribute> required_attributes(const Registration& request);
// The launch types that could run it.
[[nodiscard]] std::vector<std::string> compatible_launch_types(const Registration& request);

// Why Fargate would refuse it, or nothing. After normalisation.
[[nodiscard]] std::optional<std::string> fargate_refusal(const Registration& request);

// "256", "1 vCPU", ".25 vcpu": in CPU units, and "512", "1GB", "0.5 GB": in MiB. Nothing for
// anything else.
[[nodiscard]] std::optional<std::int64_t> parse_cpu(std::string_view text);
[[nodiscard]] std::optional<std::int64_t> parse_memory(std::string_view text);
[[nodiscard]] bool is_fargate_size(std::int64_t cpu, std::int64_t memory_mib);

// Tags of any request: keys unique, not reserved, of the characters that ECS takes.
[[nodiscard]] Result<void> check_tags(const google::protobuf::RepeatedPtrField<ecs::Tag>& tags);

}  // namespace berth::api
