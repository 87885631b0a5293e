// SPDX-License-Identifier: Apache-2.0
// Which document a path of the task endpoints names.
//
// Threads: any; pure.
#pragma once

#include <string>
#include <string_view>

#include "sdk/runtime/metadata/documents.hpp"

namespace berth::runtime::metadata {

struct Route {
  enum class What {
    Nothing,         // no such path
    Container,       // "/v4/ID", "/v3/ID", "/v2/metadata/CONTAINER"
    Task,            // ".../task", "/v2/metadata"
    TaskWithTags,    // ".../taskWithTags", "/v2/metadataWithTags"
    ContainerStats,  // ".../stats", "/v2/stats/CONTAINER"
    TaskStats,       // ".../task/stats", "/v2/stats"
    Credentials,     // "/v2/credentials/ID"
  };
  What what = What::Nothing;
  Version version = Version::V4;
  std::string id;  // of the endpoint (v3, v4), the container's runtime id (v2), or the credentials;
                   // empty in v2 where the task is meant
};

[[nodiscard]] Route route_of(std::string_view path);

}  // namespace berth::runtime::metadata
