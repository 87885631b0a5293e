// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/metadata/endpoint_ids.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "sdk/runtime/owned_fd.hpp"

namespace berth::runtime::metadata {

sdk::Result<EndpointIds> EndpointIds::open(const std::filesystem::path& key_file) {
  const auto failed = [&] {
    return sdk::fail(BERTH_INTERNAL, key_file.string() + ": " + std::strerror(errno));
  };
  Key key{};
  if (const OwnedFd file(::open(key_file.c_str(), O_RDONLY | O_CLOEXEC)); file) {
    const ssize_t got = ::read(file.get(), key.data(), key.size());
    if (got == static_cast<ssize_t>(key.size())) return EndpointIds(key);
    if (got < 0) return failed();
    // Cut short by a crash in the middle of its making: nobody has been given an id of it.
  } else if (errno != ENOENT) {
    return failed();
  }
  if (::getrandom(key.data(), key.size(), 0) != static_cast<ssize_t>(key.size())) return failed();
  const OwnedFd file(
      ::open(key_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file || ::write(file.get(), key.data(), key.size()) != static_cast<ssize_t>(key.size()) ||
      ::fsync(file.get()) != 0) {
    return failed();
  }
  const OwnedFd directory(
      ::open(key_file.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || ::fsync(directory.get()) != 0) return failed();
  return EndpointIds(key);
}

std::string EndpointIds::uuid_of(std::string_view what) const {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  ::HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
         reinterpret_cast<const unsigned char*>(what.data()), what.size(), digest, &size);
  digest[6] = static_cast<unsigned char>((digest[6] & 0x0fU) | 0x40U);
  digest[8] = static_cast<unsigned char>((digest[8] & 0x3fU) | 0x80U);
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += kHex[digest[i] >> 4U];
    out += kHex[digest[i] & 0x0fU];
  }
  return out;
}

std::string EndpointIds::of_container(const std::string& task_id, std::size_t container) const {
  return uuid_of("container\n" + task_id + "\n" + std::to_string(container));
}
std::string EndpointIds::of_credentials(const std::string& task_id) const {
  return uuid_of("credentials\n" + task_id);
}

}  // namespace berth::runtime::metadata
