// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/image/digest.hpp"

#include <openssl/evp.h>

#include <array>
#include <new>

namespace berth::runtime::image {

struct Hasher::State {
  bool sha512 = false;
  EVP_MD_CTX* context = EVP_MD_CTX_new();

  explicit State(bool wide) : sha512(wide) {
    if (!context || EVP_DigestInit_ex(context, wide ? EVP_sha512() : EVP_sha256(), nullptr) != 1) {
      throw std::bad_alloc{};  // the only way these fail
    }
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { EVP_MD_CTX_free(context); }
};

Hasher::Hasher(std::string_view like)
    : state_(std::make_unique<State>(like.starts_with("sha512:"))) {}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::update(std::string_view bytes) {
  EVP_DigestUpdate(state_->context, bytes.data(), bytes.size());
}

std::string Hasher::finish() {
  static constexpr char kHex[] = "0123456789abcdef";
  std::array<unsigned char, EVP_MAX_MD_SIZE> raw{};
  unsigned size = 0;
  EVP_DigestFinal_ex(state_->context, raw.data(), &size);
  std::string out = state_->sha512 ? "sha512:" : "sha256:";
  for (unsigned i = 0; i < size; ++i) {
    out += kHex[raw[i] >> 4];
    out += kHex[raw[i] & 15];
  }
  return out;
}

std::string digest_of(std::string_view bytes, std::string_view like) {
  Hasher hasher{like};
  hasher.update(bytes);
  return hasher.finish();
}

}  // namespace berth::runtime::image
