// SPDX-License-Identifier: Apache-2.0
// Bodies of RegisterTaskDefinition and RunTask: decoding, checking and encoding never crash, and
// what was decoded is read back the same.
#include <cstdlib>

#include "berth/model/ecs_operations.pb.h"
#include "core/api/ecs/definition.hpp"
#include "core/api/ecs/shape.hpp"
#include "core/api/json/decode.hpp"
#include "core/api/json/encode.hpp"

namespace {

using namespace berth;       // NOLINT
using namespace berth::api;  // NOLINT

template <typename Request>
void round_trip(std::string_view text) {
  Request request;
  const auto decoded = json::decode(text, request);
  if (!decoded) return;
  const std::string once = json::encode(request, {.unknown = &decoded->unknown, .at = &request});
  Request again;
  const auto twice = json::decode(once, again);
  if (!twice || json::encode(again, {.unknown = &twice->unknown, .at = &again}) != once) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  round_trip<model::RunTaskRequest>(text);
  round_trip<Registration>(text);
  Registration request;
  if (!json::decode(text, request)) return 0;
  if (!check_shape(request, Subject::Definition)) return 0;
  if (!check_definition(request, {})) return 0;
  fill_defaults(request);
  // What was accepted once is accepted again, with its defaults.
  Registration again = request;
  if (!check_shape(again, Subject::Definition) || !check_definition(again, {})) abort();
  (void)required_attributes(request);
  (void)compatible_launch_types(request);
  return 0;
}
