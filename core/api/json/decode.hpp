// SPDX-License-Identifier: Apache-2.0
// JSON into messages of the API model, led by their descriptors.
//
// Threads: any.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <string_view>

#include "core/api/json/value.hpp"
#include "core/model/error.hpp"

namespace google::protobuf {
class Message;
}

namespace berth::api::json {

struct Decoded {
  // Paths ("containerDefinitions[0].command") of the lists and maps that were given, also empty
  // ones: a message cannot tell these from absent ones.
  std::set<std::string, std::less<>> present;
  // Members that the model does not know, in an object of the input's shape: lists have null where
  // an element has none.
  Value unknown;
  std::size_t unknown_count = 0;

  // The object as text; empty where there is no unknown member.
  [[nodiscard]] std::string unknown_json() const;
};

// Reads `text`, an object, into `message`, which is empty before. A null member counts as absent.
// Errors: Invalid, Subject::None, with the member's path in `what`: ECS's SerializationException.
[[nodiscard]] Result<Decoded> decode(std::string_view text, google::protobuf::Message& message);

}  // namespace berth::api::json
