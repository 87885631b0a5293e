// SPDX-License-Identifier: Apache-2.0
// The certificates with which a fleet server proves to its agents who it is: a CA of its own, and a certificate by it.
//
// Made at the first start and kept in DIR/tls (ca.pem, ca.key, server.pem, server.key; 0600). The CA stays, since agents
// pin it; it also signs the agents' own certificates (agent_certificate.hpp).
// Threads: one at a time.
#pragma once

#include <filesystem>
#include <string>

#include "berth/result.hpp"

namespace berth::fleet {

struct Credentials {
  std::string chain_pem;    // the server's certificate, then the CA's
  std::string key_pem;
  std::string ca_pem;
  std::string ca_key_pem;
  std::string fingerprint;  // sha256 of the CA's certificate (DER), 64 hex digits
};

// Reads them, or makes them. Errors: INTERNAL; INVALID for files that are not what they should be.
sdk::Result<Credentials> load_or_make_credentials(const std::filesystem::path& directory);

}  // namespace berth::fleet
