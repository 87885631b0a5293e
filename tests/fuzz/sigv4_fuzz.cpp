// SPDX-License-Identifier: Apache-2.0
// Requests with any headers: verification never crashes, and nothing passes that was not signed
// with the key.
#include <cstdlib>

#include "core/api/sigv4/verifier.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace berth;       // NOLINT
  using namespace berth::api;  // NOLINT
  // "METHOD target\nname: value\n...\n\nbody"
  std::string_view text(reinterpret_cast<const char*>(data), size);
  http::Request request;
  const auto line = [&] {
    const std::size_t end = text.find('\n');
    const std::string_view taken = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    return taken;
  };
  const std::string_view first = line();
  const std::size_t blank = std::min(first.find(' '), first.size());
  request.method = std::string(first.substr(0, blank));
  request.target = std::string(first.substr(std::min(blank + 1, first.size())));
  for (std::string_view header = line(); !header.empty(); header = line()) {
    const std::size_t colon = std::min(header.find(':'), header.size());
    request.headers.push_back({std::string(header.substr(0, colon)),
                               std::string(header.substr(std::min(colon + 1, header.size())))});
  }
  request.body = std::string(text);
  const auto clock = [] { return Instant(milliseconds(1'795'435'200'000)); };
  (void)sigv4::Verifier({}, clock).verify(request, "ecs");
  // The secret is none that the corpus was signed with.
  if (sigv4::Verifier({{"AKID", "another secret", ""}}, clock).verify(request, "ecs")) abort();
  return 0;
}
