// SPDX-License-Identifier: Apache-2.0
// bench_pull: one pull of an image from a plain HTTP registry, by Berth's store or by the floor,
// into a directory. bench/pull.py times it.
//
// usage: bench_pull berth|floor HOST:PORT/NAME:TAG DIRECTORY (missing or empty)
#include <sys/stat.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <thread>

#include "bench/pull/floor.hpp"
#include "berth/v1/registry.pb.h"
#include "sdk/runtime/image/image_store.hpp"
#include "sdk/runtime/image/reference.hpp"

namespace {

using namespace berth;

// Plain HTTP, anonymous.
class Anonymous final : public runtime::image::RegistryAccess {
 public:
  sdk::Result<v1::MirrorsResponse> mirrors(const v1::MirrorsRequest& request) override {
    v1::MirrorsResponse response;
    auto& endpoint = *response.add_endpoints();
    endpoint.set_url("http://" + request.registry());
    endpoint.set_resolve_tags(true);
    return response;
  }
  sdk::Result<v1::AuthorizeResponse> authorize(const v1::AuthorizeRequest&) override {
    return v1::AuthorizeResponse();
  }
};

sdk::Result<void> pull_berth(const std::string& image, const std::string& directory) {
  auto store = runtime::image::ImageStore::open(directory);
  if (!store) return store.error();
  Anonymous access;
  const auto pulled = (*store)->pull(image, access, {});
  if (!pulled) return pulled.error();
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view who = argc == 4 ? argv[1] : "";
  if (who != "berth" && who != "floor") {
    std::fputs("usage: bench_pull berth|floor HOST:PORT/NAME:TAG DIRECTORY\n", stderr);
    return 2;
  }
  const std::string directory = argv[3];
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    std::perror(argv[3]);
    return 1;
  }
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  const auto begin = std::chrono::steady_clock::now();
  const auto done = who == "berth" ? pull_berth(argv[2], directory)
                                   : bench::pull_floor(argv[2], directory, cores);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  if (!done) {
    std::fprintf(stderr, "bench_pull: %s\n", done.error().message.c_str());
    return 1;
  }
  std::printf("%.6f\n", took.count());
  return 0;
}
