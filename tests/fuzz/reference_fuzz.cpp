// SPDX-License-Identifier: Apache-2.0
// Names of images: what is taken can go into a URL as it is, and reads the same when it is written
// out.
#include <cstdlib>

#include "sdk/runtime/http/url.hpp"
#include "sdk/runtime/image/reference.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace berth::runtime;  // NOLINT
  const auto reference = image::parse_reference({reinterpret_cast<const char*>(data), size});
  if (!reference) return 0;
  const auto again = image::parse_reference(reference->to_string());
  if (!again || !(*again == *reference)) abort();
  const auto url = http::parse_url("https://" + reference->registry + "/v2/" +
                                   reference->repository + "/manifests/" + reference->selector());
  if (!url || !url->query.empty() ||
      url->path != "/v2/" + reference->repository + "/manifests/" + reference->selector()) {
    abort();
  }
  return 0;
}
