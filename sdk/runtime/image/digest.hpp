// SPDX-License-Identifier: Apache-2.0
// Content digests: "sha256:<hex>" or "sha512:<hex>" of a stream of bytes.
//
// Threads: one at a time.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace berth::runtime::image {

class Hasher {
 public:
  // `like`: a digest whose algorithm is taken; anything but "sha512:..." hashes by SHA-256.
  explicit Hasher(std::string_view like = "sha256:");
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  void update(std::string_view bytes);
  // The digest of all bytes so far; ends the hasher.
  [[nodiscard]] std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

[[nodiscard]] std::string digest_of(std::string_view bytes, std::string_view like = "sha256:");

}  // namespace berth::runtime::image
