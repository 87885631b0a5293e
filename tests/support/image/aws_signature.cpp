// SPDX-License-Identifier: Apache-2.0
#include "tests/support/image/aws_signature.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <sstream>

#include "sdk/runtime/image/digest.hpp"

namespace berth::test {
namespace {

std::string hmac(const std::string& key, const std::string& text) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), out, &size);
  return {reinterpret_cast<char*>(out), size};
}

std::string hex(const std::string& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += kDigits[static_cast<unsigned char>(c) >> 4];
    out += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

std::string sha(const std::string& text) {
  return runtime::image::digest_of(text).substr(7);
}

std::string between(const std::string& text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  if (at == std::string::npos) return {};
  const std::size_t start = at + from.size();
  return text.substr(start, text.find(to, start) - start);
}

}  // namespace

bool is_signed(const HttpRequest& request, const AwsKey& key) {
  const std::string header = request.header("authorization");
  const std::string date = request.header("x-amz-date");
  const std::string names = between(header, "SignedHeaders=", ",");
  const std::string path = request.target.substr(0, request.target.find('?'));
  std::string canonical = request.method + "\n" + path + "\n\n";
  std::istringstream list{names};
  for (std::string name; std::getline(list, name, ';');) {
    if (!request.headers.contains(name)) return false;  // signed and not sent
    canonical += name + ":" + request.header(name) + "\n";
  }
  canonical += "\n" + names + "\n" + sha(request.body);
  if (date.size() < 8) return false;
  const std::string scope =
      date.substr(0, 8) + "/" + key.region + "/" + key.service + "/aws4_request";
  if (header.find("Credential=" + key.id + "/" + scope) == std::string::npos) return false;
  if ((";" + names + ";").find(";host;") == std::string::npos) return false;
  if ((";" + names + ";").find(";x-amz-date;") == std::string::npos) return false;
  const std::string to_sign = "AWS4-HMAC-SHA256\n" + date + "\n" + scope + "\n" + sha(canonical);
  const std::string signing =
      hmac(hmac(hmac(hmac("AWS4" + key.secret, date.substr(0, 8)), key.region), key.service),
           "aws4_request");
  return between(header + ",", "Signature=", ",") == hex(hmac(signing, to_sign));
}

}  // namespace berth::test
