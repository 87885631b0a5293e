// SPDX-License-Identifier: Apache-2.0
// Debian's docker-registry on a free port of loopback, as an unprivileged user: plain, or with TLS
// and Basic.
#pragma once

#include <sys/types.h>

#include <string>

#include "tests/support/image/image_builder.hpp"
#include "tests/support/image/temp_dir.hpp"

namespace berth::test {

struct DockerRegistryOptions {
  bool tls = false;
  std::string user{};  // with Basic, where set
  std::string password{};
};

class DockerRegistry {
 public:
  explicit DockerRegistry(DockerRegistryOptions options = {});
  ~DockerRegistry();
  DockerRegistry(const DockerRegistry&) = delete;
  DockerRegistry& operator=(const DockerRegistry&) = delete;

  [[nodiscard]] std::string host() const { return "localhost:" + std::to_string(port_); }
  [[nodiscard]] std::string url() const { return (options_.tls ? "https://" : "http://") + host(); }
  [[nodiscard]] std::string ca_pem() const;
  // "Basic ..." of its user.
  [[nodiscard]] std::string authorization() const;

  void push(const std::string& repository, const std::string& tag, const BuiltImage& image);
  void push_manifest(const std::string& repository, const std::string& selector,
                     const std::string& bytes, const std::string& type);

 private:
  void make_tls();
  void wait_until_ready();
  std::string request(const std::string& method, const std::string& url, const std::string& body,
                      const std::string& type, int expected);

  DockerRegistryOptions options_;
  TempDir dir_;
  pid_t pid_ = -1;
  int port_ = 0;
};

}  // namespace berth::test
