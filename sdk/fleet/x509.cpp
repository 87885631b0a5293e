// SPDX-License-Identifier: Apache-2.0
#include "sdk/fleet/x509.hpp"

#include <array>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "sdk/fleet/secret.hpp"

namespace berth::fleet::x509 {
namespace {

Bio bio_of(std::string_view text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

template <auto Encode, typename T>
std::string encoded(T* object) {
  unsigned char* bytes = nullptr;
  const int size = Encode(object, &bytes);
  if (size < 0) return {};
  std::string der(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  OPENSSL_cleanse(bytes, static_cast<std::size_t>(size));
  OPENSSL_free(bytes);
  return der;
}

// All of it must be the object: nothing may follow.
template <typename Owner, auto Decode>
Owner decoded(std::string_view der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const auto* end = at + der.size();
  Owner object(Decode(nullptr, &at, static_cast<long>(der.size())));
  return object && at == end ? std::move(object) : nullptr;
}

bool add_extension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  std::unique_ptr<X509_EXTENSION, FreeWith<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool set_time(ASN1_TIME* out, std::int64_t ms) {
  return ASN1_TIME_set(out, static_cast<time_t>(ms / 1000)) != nullptr;
}

}  // namespace

sdk::Error openssl_failed(const char* what) {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  return sdk::fail(BERTH_INTERNAL, std::string("cannot ") + what + ": " + text.data());
}

Certificate make_certificate(const Wish& wish) {
  Certificate made(X509_new());
  X509* c = made.get();
  if (!c) return nullptr;
  std::unique_ptr<BIGNUM, FreeWith<BN_free>> serial(BN_new());
  X509_NAME* name = X509_get_subject_name(c);
  X509* issuer = wish.issuer ? wish.issuer : c;
  const bool ok =
      X509_set_version(c, 2) == 1 && serial && BN_rand(serial.get(), 127, 0, 0) == 1 &&
      BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(c)) &&
      set_time(X509_getm_notBefore(c), wish.not_before_ms) &&
      set_time(X509_getm_notAfter(c), wish.not_after_ms) && X509_set_pubkey(c, wish.key) == 1 &&
      X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                 reinterpret_cast<const unsigned char*>(wish.name.c_str()), -1, -1,
                                 0) == 1 &&
      X509_set_issuer_name(c, X509_get_subject_name(issuer)) == 1 &&
      add_extension(c, issuer, NID_basic_constraints,
                    wish.authority ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
      add_extension(
          c, issuer, NID_key_usage,
          wish.authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature") &&
      (!wish.usage || add_extension(c, issuer, NID_ext_key_usage, wish.usage)) &&
      X509_sign(c, wish.issuer_key, EVP_sha256()) != 0;
  return ok ? std::move(made) : nullptr;
}

Key new_key() {
  return Key(EVP_EC_gen("P-256"));
}

std::string pem_of(X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  return bio && PEM_write_bio_X509(bio.get(), certificate) == 1 ? text_of(bio.get())
                                                                : std::string();
}

std::string pem_of(EVP_PKEY* key) {
  const Bio bio(BIO_new(BIO_s_mem()));
  return bio && PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr,
                                              nullptr) == 1
             ? text_of(bio.get())
             : std::string();
}

std::string der_of(X509* certificate) {
  return encoded<i2d_X509>(certificate);
}
std::string der_of(X509_REQ* request) {
  return encoded<i2d_X509_REQ>(request);
}
std::string der_of(EVP_PKEY* key) {
  const Bio bio(BIO_new(BIO_s_mem()));
  return bio && i2d_PKCS8PrivateKey_bio(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1
             ? text_of(bio.get())
             : std::string();
}

Certificate certificate_of_pem(std::string_view pem) {
  const Bio bio = bio_of(pem);
  return Certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}
Key key_of_pem(std::string_view pem) {
  const Bio bio = bio_of(pem);
  return Key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
}
Certificate certificate_of_der(std::string_view der) {
  return decoded<Certificate, d2i_X509>(der);
}
Key key_of_der(std::string_view der) {
  return decoded<Key, d2i_AutoPrivateKey>(der);
}
Request request_of_der(std::string_view der) {
  return decoded<Request, d2i_X509_REQ>(der);
}

std::string digest_of(X509* certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (!certificate || X509_digest(certificate, EVP_sha256(), digest.data(), &size) != 1) return {};
  return {reinterpret_cast<const char*>(digest.data()), size};
}

std::string public_key_digest(EVP_PKEY* key) {
  return sha256(encoded<i2d_PUBKEY>(key));
}

}  // namespace berth::fleet::x509
