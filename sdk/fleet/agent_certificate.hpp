// SPDX-License-Identifier: Apache-2.0
// The certificate by which an agent proves which node it is: asked for with a key that never leaves
// the agent, issued by the fleet's CA, shown in each handshake.
//
// Threads: any. Errors: INTERNAL where OpenSSL fails; INVALID for a request or a file that is not
// one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "berth/result.hpp"

struct x509_st;  // OpenSSL's X509

namespace berth::fleet {

struct KeyAndRequest {
  std::string key;      // PKCS#8 in DER
  std::string request;  // PKCS#10 in DER, signed by it
};
// By a new key, or by `key` where one is given.
[[nodiscard]] sdk::Result<KeyAndRequest> make_certificate_request(std::string_view key = {});

// Whether the certificate (DER) is for this node and this key (PKCS#8 in DER).
[[nodiscard]] bool belongs_together(std::string_view certificate, std::string_view key,
                                    const std::string& node_id);

// What an agent showed: verified against the CA, but for its time.
struct PeerCertificate {
  std::string node_id;
  std::string key_sha256;  // 32 bytes, of the public key
  std::int64_t expires_ms = 0;
};
// Of a certificate that this fleet's CA has signed. Nothing where its subject is no node.
[[nodiscard]] std::optional<PeerCertificate> peer_certificate(x509_st* certificate);

// The fleet's CA at work.
class Authority {
 public:
  static sdk::Result<Authority> open(const std::string& ca_pem, const std::string& ca_key_pem);
  Authority(Authority&&) noexcept;
  Authority& operator=(Authority&&) noexcept;
  ~Authority();

  // The public key of a request, as PeerCertificate has it. Errors: INVALID: no request, not signed
  // by its own key, or another kind of key than EC P-256.
  [[nodiscard]] static sdk::Result<std::string> key_of(const std::string& request);

  struct Issued {
    std::string certificate;  // DER
    PeerCertificate about;
  };
  // For the key of the request, from a day before `now_ms` (nobody but the issuer looks) until
  // `expires_ms`. Errors: as key_of.
  [[nodiscard]] sdk::Result<Issued> issue(const std::string& request, const std::string& node_id,
                                          std::int64_t now_ms, std::int64_t expires_ms) const;

 private:
  struct Keys;
  explicit Authority(std::unique_ptr<Keys> keys);
  std::unique_ptr<Keys> keys_;
};

}  // namespace berth::fleet
