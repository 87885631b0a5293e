// SPDX-License-Identifier: Apache-2.0
// Where a registry's images may be pulled from, and whom a password may be told.
//
// Threads: any; pure functions, but for the files with certificates.
#pragma once

#include <string>
#include <vector>

#include "berth/result.hpp"
#include "plugins/registry-ecr/config.hpp"
#include "sdk/runtime/http/url.hpp"

namespace berth::registry_ecr {

struct Place {
  std::string url;   // without a slash at its end
  std::string host;  // "host[:port]": under which its settings are found
  bool is_mirror = false;
  bool resolve_tags = true;
};

// Mirrors in the operator's order, then the registry itself.
// Errors: INVALID for a registry that is no "host[:port]".
[[nodiscard]] sdk::Result<std::vector<Place>> places_of(const Config& config,
                                                        const std::string& registry);

// The files one after the other; empty names are passed over.
// Errors: PRECONDITION, naming the file that cannot be read.
[[nodiscard]] sdk::Result<std::string> read_certificates(const std::vector<std::string>& paths);

// What to trust besides the system: the certificates for all, and for this host. Errors: as
// read_certificates.
[[nodiscard]] sdk::Result<std::string> trust_of(const Config& config, const std::string& host);

// Whether the registry's user name and password may be sent to `realm`: the same host, its own
// domain, or what the operator allows; never from https to http.
[[nodiscard]] bool may_hear_password(const runtime::http::Url& endpoint,
                                     const runtime::http::Url& realm,
                                     const RegistrySettings& settings);

// Whether the host is one of ECR's, and its region.
[[nodiscard]] bool is_ecr_host(const std::string& host);
[[nodiscard]] std::string ecr_region(const std::string& host);

}  // namespace berth::registry_ecr
