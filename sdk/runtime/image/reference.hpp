// SPDX-License-Identifier: Apache-2.0
// An image's name, taken apart: registry, repository, tag or digest.
//
// Threads: any.
#pragma once

#include <string>
#include <string_view>

#include "berth/result.hpp"

namespace berth::runtime::image {

// Invariants (of what parse_reference gives): registry, repository and one of tag and digest are
// not empty, and each is of the form that the distribution specification asks for, so they may go
// into a URL as they are.
struct Reference {
  std::string registry;    // "docker.io", "localhost:5000"
  std::string repository;  // "library/nginx"
  std::string tag;  // "latest" where the text named neither tag nor digest; kept beside a digest,
                    // for people only
  std::string digest;  // "sha256:..."; wins over the tag

  [[nodiscard]] bool by_digest() const { return !digest.empty(); }
  // What goes after /manifests/.
  [[nodiscard]] const std::string& selector() const { return digest.empty() ? tag : digest; }
  // "registry/repository", then ":tag" and "@digest" as they are.
  [[nodiscard]] std::string to_string() const;

  bool operator==(const Reference&) const = default;
};

// Takes "nginx", "localhost:5000/a/b:tag", "host/name@sha256:...", "host/name:tag@sha256:...". A
// first part without '.' and ':' that is not "localhost" belongs to docker.io; a single part there
// to library/. Errors: INVALID, saying what is wrong with it.
[[nodiscard]] sdk::Result<Reference> parse_reference(std::string_view text);

// "sha256:" and 64, or "sha512:" and 128, lower-case hexadecimal digits.
[[nodiscard]] bool is_digest(std::string_view text);

// The part after the colon of what is_digest accepts.
[[nodiscard]] std::string_view digest_hex(std::string_view digest);

}  // namespace berth::runtime::image
