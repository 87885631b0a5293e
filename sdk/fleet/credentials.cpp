// SPDX-License-Identifier: Apache-2.0
#include "sdk/fleet/credentials.hpp"

#include <array>
#include <memory>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "sdk/fleet/durable_file.hpp"
#include "sdk/fleet/secret.hpp"

namespace berth::fleet {
namespace {

template <auto Free>
struct FreeWith {
  template <typename T>
  void operator()(T* p) const {
    Free(p);
  }
};
using Key = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, FreeWith<X509_free>>;
using Bio = std::unique_ptr<BIO, FreeWith<BIO_free_all>>;

sdk::Error openssl_failed(const char* what) {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  return sdk::fail(BERTH_INTERNAL, std::string("cannot ") + what + ": " + text.data());
}

Bio bio_of(const std::string& text) { return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

bool add_extension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  std::unique_ptr<X509_EXTENSION, FreeWith<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

struct CertificateWish {
  const char* name;
  bool authority;
  EVP_PKEY* key;
  X509* issuer;  // null: itself
  EVP_PKEY* issuer_key;
};

// Valid from yesterday (clocks differ) for a hundred years: agents pin it, so expiry would only cut fleets off.
Certificate make_certificate(const CertificateWish& wish) {
  Certificate made(X509_new());
  X509* c = made.get();
  if (!c) return nullptr;
  std::unique_ptr<BIGNUM, FreeWith<BN_free>> serial(BN_new());
  X509_NAME* name = X509_get_subject_name(c);
  X509* issuer = wish.issuer ? wish.issuer : c;
  const bool ok =
      X509_set_version(c, 2) == 1 && serial && BN_rand(serial.get(), 127, 0, 0) == 1 &&
      BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(c)) &&
      X509_gmtime_adj(X509_getm_notBefore(c), -86'400L) &&
      X509_time_adj_ex(X509_getm_notAfter(c), 36'500, 0, nullptr) && X509_set_pubkey(c, wish.key) == 1 &&
      X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                 reinterpret_cast<const unsigned char*>(wish.name), -1, -1, 0) == 1 &&
      X509_set_issuer_name(c, X509_get_subject_name(issuer)) == 1 &&
      add_extension(c, issuer, NID_basic_constraints, wish.authority ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
      add_extension(c, issuer, NID_key_usage,
                    wish.authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature") &&
      (wish.authority || add_extension(c, issuer, NID_ext_key_usage, "serverAuth")) &&
      X509_sign(c, wish.issuer_key, EVP_sha256()) != 0;
  return ok ? std::move(made) : nullptr;
}

std::string pem_of(X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  return bio && PEM_write_bio_X509(bio.get(), certificate) == 1 ? text_of(bio.get()) : std::string();
}

std::string pem_of(EVP_PKEY* key) {
  const Bio bio(BIO_new(BIO_s_mem()));
  return bio && PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1
             ? text_of(bio.get())
             : std::string();
}

sdk::Result<void> make(const std::filesystem::path& directory) {
  const Key ca_key(EVP_EC_gen("P-256"));
  const Key key(EVP_EC_gen("P-256"));
  if (!ca_key || !key) return openssl_failed("make a key");
  const Certificate ca = make_certificate(
      {.name = "Berth fleet CA", .authority = true, .key = ca_key.get(), .issuer = nullptr, .issuer_key = ca_key.get()});
  if (!ca) return openssl_failed("make a CA certificate");
  const Certificate server = make_certificate(
      {.name = "Berth fleet", .authority = false, .key = key.get(), .issuer = ca.get(), .issuer_key = ca_key.get()});
  if (!server) return openssl_failed("make a certificate");
  // ca.pem last: its presence says that the set is whole.
  const std::pair<const char*, std::string> files[] = {{"ca.key", pem_of(ca_key.get())},
                                                       {"server.key", pem_of(key.get())},
                                                       {"server.pem", pem_of(server.get())},
                                                       {"ca.pem", pem_of(ca.get())}};
  for (const auto& [name, text] : files) {
    if (text.empty()) return openssl_failed("write PEM");
    if (auto written = write_durably(directory / name, text, 0600); !written) return written;
  }
  return {};
}

sdk::Result<Certificate> read_certificate(const std::filesystem::path& path, const std::string& pem) {
  const Bio bio = bio_of(pem);
  Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (!certificate) return sdk::fail(BERTH_INVALID, path.string() + " is not a PEM certificate");
  return certificate;
}

}  // namespace

sdk::Result<Credentials> load_or_make_credentials(const std::filesystem::path& directory) {
  if (auto made = make_private_directory(directory); !made) return made.error();
  if (!std::filesystem::exists(directory / "ca.pem")) {
    if (auto made = make(directory); !made) return made.error();
  }
  auto ca_pem = read_small_file(directory / "ca.pem");
  if (!ca_pem) return ca_pem.error();
  auto server_pem = read_small_file(directory / "server.pem");
  if (!server_pem) return server_pem.error();
  auto key_pem = read_small_file(directory / "server.key");
  if (!key_pem) return key_pem.error();
  auto ca = read_certificate(directory / "ca.pem", *ca_pem);
  if (!ca) return ca.error();
  auto server = read_certificate(directory / "server.pem", *server_pem);
  if (!server) return server.error();
  const Bio key_bio = bio_of(*key_pem);
  const Key key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr));
  if (!key || X509_check_private_key(server->get(), key.get()) != 1 ||
      X509_verify(server->get(), X509_get0_pubkey(ca->get())) != 1) {
    return sdk::fail(BERTH_INVALID, "ca.pem, server.pem and server.key in " + directory.string() +
                                        " do not belong together; restore them, or remove the directory and let "
                                        "every agent join anew");
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (X509_digest(ca->get(), EVP_sha256(), digest.data(), &size) != 1) return openssl_failed("hash the CA");
  return Credentials{.chain_pem = *server_pem + *ca_pem,
                     .key_pem = *key_pem,
                     .fingerprint = to_hex({reinterpret_cast<const char*>(digest.data()), size})};
}

}  // namespace berth::fleet
