// SPDX-License-Identifier: Apache-2.0
// What the API model says of single members: required ones, enumerations, ranges, sizes; and which
// empty lists are shown.
//
// Threads: any.
#pragma once

#include "core/model/error.hpp"

namespace google::protobuf {
class FieldDescriptor;
class Message;
}  // namespace google::protobuf

namespace berth::api {

// Checks every message in `request`, itself included, against the table of shape_rules.cpp.
// Errors: Invalid with the member's path in `what` and `subject`: Definition gives ClientException,
// Request InvalidParameterException.
[[nodiscard]] Result<void> check_shape(const google::protobuf::Message& request, Subject subject);

// EncodeOptions::show_empty of all answers: the lists that ECS shows even when they hold nothing.
[[nodiscard]] bool shows_empty(const google::protobuf::Message& message,
                               const google::protobuf::FieldDescriptor& field);

}  // namespace berth::api
