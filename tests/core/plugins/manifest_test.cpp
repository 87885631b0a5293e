// SPDX-License-Identifier: Apache-2.0
#include "core/plugins/manifest.hpp"

#include <gmock/gmock.h>

#include "berth/v1/plugin.pb.h"
#include "tests/core/plugins/fake_table.hpp"

namespace berth::plugins {
namespace {

using ::testing::HasSubstr;

class ManifestTest : public ::testing::Test {
 protected:
  ManifestTest() {
    manifest.set_name("fake");
    manifest.set_version("1.0");
    v1::Interface& registry = *manifest.add_interfaces();
    registry.set_id("berth.registry/1");
    registry.add_methods(0x300);
    registry.add_methods(0x301);
    registry.add_registry_hosts("*");
  }
  std::string refusal() {
    const auto checked = check_manifest(manifest, library);
    return checked ? "" : checked.error().message;
  }

  FakePlugin plugin;
  loading::Library library{"/fake.so", plugin.table(), nullptr};
  v1::Manifest manifest;
};

TEST_F(ManifestTest, IsTakenWithInterfacesMethodsAndFeaturesThatAreNotKnown) {
  manifest.add_interfaces()->set_id("vendor.example/3");
  manifest.mutable_interfaces(0)->add_methods(0x3ff);
  manifest.add_features()->set_name("teleport");
  EXPECT_EQ(refusal(), "");
  EXPECT_NE(find_interface(manifest, kRegistry), nullptr);
  EXPECT_EQ(find_interface(manifest, kLaunch), nullptr);
}

TEST_F(ManifestTest, MustSayWhatTheTableSays) {
  manifest.set_version("2");
  EXPECT_THAT(refusal(), HasSubstr("says version '2', its table '1.0'"));
}

TEST_F(ManifestTest, MustNameAKnownInterfaceAndNoneTwice) {
  manifest.add_interfaces()->set_id("berth.registry/1");
  EXPECT_THAT(refusal(), HasSubstr("twice"));
  manifest.clear_interfaces();
  EXPECT_THAT(refusal(), HasSubstr("no interface that this Berth knows"));
}

TEST_F(ManifestTest, MustOfferWhatItsInterfaceDemandsAndSayWhatItServes) {
  manifest.mutable_interfaces(0)->clear_registry_hosts();
  EXPECT_THAT(refusal(), HasSubstr("serves no registry host"));
  manifest.mutable_interfaces(0)->set_id("berth.launch/1");
  EXPECT_THAT(refusal(), HasSubstr("METHOD_LAUNCH_PLAN"));
}

}  // namespace
}  // namespace berth::plugins
