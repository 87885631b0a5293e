// SPDX-License-Identifier: Apache-2.0
// What the fleet's certificates are made with: owners of OpenSSL's objects, and X.509 in DER and
// PEM.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "berth/result.hpp"

namespace berth::fleet::x509 {

template <auto Free>
struct FreeWith {
  template <typename T>
  void operator()(T* p) const {
    Free(p);
  }
};
using Key = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, FreeWith<X509_free>>;
using Request = std::unique_ptr<X509_REQ, FreeWith<X509_REQ_free>>;
using Bio = std::unique_ptr<BIO, FreeWith<BIO_free_all>>;

// INTERNAL, with what OpenSSL says of its last failure.
[[nodiscard]] sdk::Error openssl_failed(const char* what);

struct Wish {
  std::string name;  // the common name of its subject
  bool authority = false;
  const char* usage = nullptr;  // "serverAuth" or "clientAuth"; null for an authority
  std::int64_t not_before_ms = 0;
  std::int64_t not_after_ms = 0;
  EVP_PKEY* key = nullptr;
  X509* issuer = nullptr;  // null: itself
  EVP_PKEY* issuer_key = nullptr;
};
// Null where OpenSSL fails.
[[nodiscard]] Certificate make_certificate(const Wish& wish);

[[nodiscard]] Key new_key();  // EC P-256
[[nodiscard]] std::string pem_of(X509* certificate);
[[nodiscard]] std::string pem_of(EVP_PKEY* key);
[[nodiscard]] std::string der_of(X509* certificate);
[[nodiscard]] std::string der_of(EVP_PKEY* key);
[[nodiscard]] std::string der_of(X509_REQ* request);
// Null for what is none.
[[nodiscard]] Certificate certificate_of_pem(std::string_view pem);
[[nodiscard]] Certificate certificate_of_der(std::string_view der);
[[nodiscard]] Key key_of_pem(std::string_view pem);
[[nodiscard]] Key key_of_der(std::string_view der);
[[nodiscard]] Request request_of_der(std::string_view der);

// SHA-256 of the certificate (DER); empty where there is none.
[[nodiscard]] std::string digest_of(X509* certificate);
// SHA-256 of the public key (DER).
[[nodiscard]] std::string public_key_digest(EVP_PKEY* key);

}  // namespace berth::fleet::x509
