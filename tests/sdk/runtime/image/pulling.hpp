// SPDX-License-Identifier: Apache-2.0
// A store in a directory of the test's own, and a registry to pull from.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "sdk/runtime/image/image_store.hpp"
#include "tests/support/image/fake_registry.hpp"
#include "tests/support/image/tar_builder.hpp"
#include "tests/support/image/temp_dir.hpp"

namespace berth::runtime::image {

class Pulling : public testing::Test {
 protected:
  void SetUp() override { reopen(); }
  void reopen() {
    store_.reset();
    auto store = ImageStore::open(dir_ / "images");
    ASSERT_TRUE(store) << store.error().message;
    store_ = std::move(*store);
  }
  static test::BuiltImage two_layers(const std::string& mark = "") {
    return test::build_image(
        {.layers = {
             test::gzip_layer(test::TarBuilder{}.directory("etc").file("etc/base", "base").bytes()),
             test::gzip_layer(test::TarBuilder{}.file("top" + mark, "top" + mark).bytes())}});
  }
  static PullOptions options() {
    PullOptions out;
    out.platform = {"linux", "amd64"};
    return out;
  }
  [[nodiscard]] std::string name(const std::string& rest) const {
    return registry_.host() + "/" + rest;
  }
  sdk::Result<Image> pull(const std::string& rest,
                          const PullOptions& options = Pulling::options()) {
    return store_->pull(name(rest), access_, options);
  }
  [[nodiscard]] std::size_t layers_on_disk() const;
  // Waits until there are so many; false after a while.
  [[nodiscard]] bool has_layers(std::size_t wanted) const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (layers_on_disk() != wanted) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  test::TempDir dir_;
  test::FakeRegistry registry_;
  test::TableAccess access_{{registry_.server().url()}};
  std::unique_ptr<ImageStore> store_;
};

}  // namespace berth::runtime::image
