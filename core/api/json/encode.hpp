// SPDX-License-Identifier: Apache-2.0
// Messages of the API model as JSON, led by their descriptors.
//
// Members stand in the model's order, maps are sorted by key: equal messages give equal texts.
// Unset members are left out. Threads: any.
#pragma once

#include <string>

#include "core/api/json/value.hpp"

namespace google::protobuf {
class FieldDescriptor;
class Message;
}  // namespace google::protobuf

namespace berth::api::json {

struct EncodeOptions {
  // Whether an empty list or map is written as such; null: never.
  bool (*show_empty)(const google::protobuf::Message&,
                     const google::protobuf::FieldDescriptor&) = nullptr;
  // Members to add to `at` and below: an object of its shape (see Decoded::unknown). Both or none.
  const Value* unknown = nullptr;
  const google::protobuf::Message* at = nullptr;
};

[[nodiscard]] std::string encode(const google::protobuf::Message& message,
                                 const EncodeOptions& options = {});

}  // namespace berth::api::json
