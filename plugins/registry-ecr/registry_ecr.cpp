// SPDX-License-Identifier: Apache-2.0
// The plugin: Authority behind the contract.
#include <memory>

#include "berth/plugin.hpp"
#include "berth/registry.hpp"
#include "plugins/registry-ecr/authority.hpp"

namespace berth::registry_ecr {
namespace {

constexpr sdk::About kAbout{.name = "registry-ecr",
                            .version = "0.1.0",
                            .vendor = "Berth",
                            .license = "Apache-2.0",
                            .url = ""};

class RegistryEcr final : public sdk::Registry {
 public:
  explicit RegistryEcr(const sdk::Host& host)
      : Registry(host),
        authority_(read_config(host.settings()), host.config().region(),
                   [host](const v1::AssumeRoleRequest& request,
                          std::function<void(sdk::Result<v1::RoleCredentials>)> callback) {
                     host.assume_role(request, std::move(callback));
                   }) {}

  void describe(v1::Interface& self) const override { self.add_registry_hosts("*"); }

  void mirrors(v1::MirrorsRequest request, sdk::Completion<v1::MirrorsResponse> done) override {
    done(authority_.mirrors(request));
  }

  void authorize(v1::AuthorizeRequest request,
                 sdk::Completion<v1::AuthorizeResponse> done) override {
    authority_.authorize(request, done);
  }

 private:
  Authority authority_;
};

}  // namespace
}  // namespace berth::registry_ecr

BERTH_EXPORT_PLUGIN(berth::registry_ecr::kAbout, berth::registry_ecr::RegistryEcr);
