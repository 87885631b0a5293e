// SPDX-License-Identifier: Apache-2.0
#include "sdk/fleet/agent_certificate.hpp"

#include <array>
#include <ctime>

#include <openssl/core_names.h>
#include <openssl/err.h>

#include "sdk/fleet/secret.hpp"
#include "sdk/fleet/x509.hpp"

namespace berth::fleet {
namespace {

constexpr std::size_t kRequestLimit = 8 * 1024;
constexpr std::int64_t kDayMs = 24LL * 3600 * 1000;

bool is_p256(EVP_PKEY* key) {
  std::array<char, 64> group{};
  return key && EVP_PKEY_is_a(key, "EC") == 1 &&
         EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group.data(), group.size(),
                                        nullptr) == 1 &&
         std::string_view(group.data()) == "prime256v1";
}

sdk::Result<x509::Request> checked_request(const std::string& der) {
  const auto bad = [](const char* why) {
    ERR_clear_error();
    return sdk::fail(BERTH_INVALID, std::string("the certificate request ") + why);
  };
  if (der.size() > kRequestLimit) return bad("is too large");
  auto request = x509::request_of_der(der);
  if (!request) return bad("is not one");
  EVP_PKEY* key = X509_REQ_get0_pubkey(request.get());
  if (!is_p256(key)) return bad("is not for a key of the kind EC P-256");
  if (X509_REQ_verify(request.get(), key) != 1) return bad("is not signed by its own key");
  return request;
}

std::int64_t ms_of(const ASN1_TIME* time) {
  std::tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? static_cast<std::int64_t>(::timegm(&parts)) * 1000
                                            : 0;
}

}  // namespace

sdk::Result<KeyAndRequest> make_certificate_request(std::string_view key_der) {
  const x509::Key key = key_der.empty() ? x509::new_key() : x509::key_of_der(key_der);
  const x509::Request request(X509_REQ_new());
  if (!key || !request) return x509::openssl_failed("make a key");
  if (X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) != 1 ||
      X509_REQ_set_pubkey(request.get(), key.get()) != 1 ||
      X509_REQ_sign(request.get(), key.get(), EVP_sha256()) == 0) {
    return x509::openssl_failed("sign a certificate request");
  }
  KeyAndRequest made{x509::der_of(key.get()), x509::der_of(request.get())};
  if (made.key.empty() || made.request.empty()) return x509::openssl_failed("write a key");
  return made;
}

bool belongs_together(std::string_view certificate, std::string_view key,
                      const std::string& node_id) {
  const auto read = x509::certificate_of_der(certificate);
  const auto own = x509::key_of_der(key);
  const auto about = read ? peer_certificate(read.get()) : std::nullopt;
  const bool match = own && about && about->node_id == node_id &&
                     X509_check_private_key(read.get(), own.get()) == 1;
  ERR_clear_error();
  return match;
}

std::optional<PeerCertificate> peer_certificate(x509_st* certificate) {
  X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) return std::nullopt;
  const ASN1_STRING* name = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
  PeerCertificate peer;
  peer.node_id.assign(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name)),
                      static_cast<std::size_t>(ASN1_STRING_length(name)));
  if (!is_hex(peer.node_id, 32)) return std::nullopt;
  peer.key_sha256 = x509::public_key_digest(X509_get0_pubkey(certificate));
  peer.expires_ms = ms_of(X509_get0_notAfter(certificate));
  return peer;
}

struct Authority::Keys {
  x509::Certificate certificate;
  x509::Key key;
};

Authority::Authority(std::unique_ptr<Keys> keys) : keys_(std::move(keys)) {}
Authority::Authority(Authority&&) noexcept = default;
Authority& Authority::operator=(Authority&&) noexcept = default;
Authority::~Authority() = default;

sdk::Result<Authority> Authority::open(const std::string& ca_pem, const std::string& ca_key_pem) {
  auto keys =
      std::make_unique<Keys>(Keys{x509::certificate_of_pem(ca_pem), x509::key_of_pem(ca_key_pem)});
  if (!keys->certificate || !keys->key ||
      X509_check_private_key(keys->certificate.get(), keys->key.get()) != 1) {
    ERR_clear_error();
    return sdk::fail(BERTH_INVALID, "the key of the fleet's CA is not that of its certificate");
  }
  return Authority(std::move(keys));
}

sdk::Result<std::string> Authority::key_of(const std::string& request) {
  const auto checked = checked_request(request);
  if (!checked) return checked.error();
  return x509::public_key_digest(X509_REQ_get0_pubkey(checked->get()));
}

sdk::Result<Authority::Issued> Authority::issue(const std::string& request,
                                                const std::string& node_id, std::int64_t now_ms,
                                                std::int64_t expires_ms) const {
  const auto checked = checked_request(request);
  if (!checked) return checked.error();
  EVP_PKEY* key = X509_REQ_get0_pubkey(checked->get());
  const auto made = x509::make_certificate({.name = node_id,
                                            .authority = false,
                                            .usage = "clientAuth",
                                            .not_before_ms = now_ms - kDayMs,
                                            .not_after_ms = expires_ms,
                                            .key = key,
                                            .issuer = keys_->certificate.get(),
                                            .issuer_key = keys_->key.get()});
  if (!made) return x509::openssl_failed("issue a certificate");
  Issued issued{x509::der_of(made.get()), {}};
  if (issued.certificate.empty()) return x509::openssl_failed("write a certificate");
  issued.about = *peer_certificate(made.get());
  return issued;
}

}  // namespace berth::fleet
