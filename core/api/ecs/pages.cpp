// SPDX-License-Identifier: Apache-2.0
#include "core/api/ecs/pages.hpp"

#include <google/protobuf/message.h>
#include <openssl/evp.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace berth::api {
namespace {

constexpr std::size_t kDigestBytes = 12;

std::string digest(std::string_view binding) {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(binding.data(), binding.size(), bytes, &size, EVP_sha256(), nullptr);
  return {reinterpret_cast<const char*>(bytes), kDigestBytes};
}

std::string encode(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

// Empty for what is no base64.
std::string decode(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0 || text.size() > 4096) return {};
  std::string bytes(text.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  if (size < 0) return {};
  const auto padding =
      static_cast<std::size_t>(std::ranges::count(text.substr(text.size() - 2), '='));
  bytes.resize(static_cast<std::size_t>(size) - padding);
  return bytes;
}

}  // namespace

std::string page_binding(const google::protobuf::Message& request) {
  const std::unique_ptr<google::protobuf::Message> filters(request.New());
  filters->CopyFrom(request);
  const auto* type = request.GetDescriptor();
  for (const char* name : {"next_token", "max_results"}) {
    if (const auto* field = type->FindFieldByName(name)) {
      filters->GetReflection()->ClearField(filters.get(), field);
    }
  }
  return type->name() + ":" + filters->SerializeAsString();
}

std::string make_token(std::string_view binding, std::string_view last_key) {
  return encode(digest(binding) + std::string(last_key));
}

Result<std::string> read_token(std::string_view binding, std::string_view token) {
  const std::string bytes = decode(token);
  if (bytes.size() <= kDigestBytes || !bytes.starts_with(digest(binding))) {
    return fail(Errc::Invalid, "Invalid token.", Subject::Request, "nextToken");
  }
  return bytes.substr(kDigestBytes);
}

}  // namespace berth::api
