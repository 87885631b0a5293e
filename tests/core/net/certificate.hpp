// SPDX-License-Identifier: Apache-2.0
// A server's TLS context with a certificate of its own making, and a client's that trusts it.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>

namespace berth::net {

class TestCertificate {
 public:
  // For this DNS name, signed by itself.
  explicit TestCertificate(const std::string& name)
      : key_(EVP_EC_gen("P-256"), EVP_PKEY_free), certificate_(X509_new(), X509_free) {
    X509* x509 = certificate_.get();
    X509_set_version(x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
    X509_set_pubkey(x509, key_.get());
    X509_NAME* subject = X509_get_subject_name(x509);
    const auto* text = reinterpret_cast<const unsigned char*>(name.c_str());
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, text, -1, -1, 0);
    X509_set_issuer_name(x509, subject);
    add(NID_subject_alt_name, "DNS:" + name);
    add(NID_basic_constraints, "critical,CA:TRUE");
    X509_sign(x509, key_.get(), EVP_sha256());
  }

  [[nodiscard]] boost::asio::ssl::context server() const {
    boost::asio::ssl::context context(boost::asio::ssl::context::tls_server);
    SSL_CTX_use_certificate(context.native_handle(), certificate_.get());
    SSL_CTX_use_PrivateKey(context.native_handle(), key_.get());
    return context;
  }
  [[nodiscard]] boost::asio::ssl::context client() const {
    boost::asio::ssl::context context(boost::asio::ssl::context::tls_client);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.native_handle()), certificate_.get());
    context.set_verify_mode(boost::asio::ssl::verify_peer);
    return context;
  }

 private:
  void add(int id, const std::string& value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, id, value.c_str());
    X509_add_ext(certificate_.get(), extension, -1);
    X509_EXTENSION_free(extension);
  }

  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
  std::unique_ptr<X509, decltype(&X509_free)> certificate_;
};

}  // namespace berth::net
