// SPDX-License-Identifier: Apache-2.0
// The plugin: Authority behind the contract.
#include <array>
#include <atomic>
#include <memory>

#include "berth/credentials.hpp"
#include "berth/plugin.hpp"
#include "berth/worker.hpp"
#include "plugins/roles/authority.hpp"

namespace berth::roles {
namespace {

constexpr sdk::About kAbout{
    .name = "roles", .version = "0.1.0", .vendor = "Berth", .license = "Apache-2.0", .url = ""};

class RolesPlugin final : public sdk::Credentials {
 public:
  explicit RolesPlugin(const sdk::Host& host)
      : Credentials(host),
        authority_(read_config(host.settings()), host.config().region()),
        workers_{sdk::Worker(host), sdk::Worker(host), sdk::Worker(host), sdk::Worker(host)} {}
  ~RolesPlugin() override { stop_.request_stop(); }

  void describe(v1::Interface&) const override {}

  void assume_role(v1::AssumeRoleRequest request,
                   sdk::Completion<v1::RoleCredentials> done) override {
    // Several sessions at a time: a service may take its time, and many tasks may start at once.
    workers_[next_++ % workers_.size()].post([this, request = std::move(request), done] {
      done(authority_.assume(request, stop_.get_token()));
    });
  }

 private:
  Authority authority_;
  std::stop_source stop_;
  std::atomic<std::size_t> next_{0};
  std::array<sdk::Worker, 4> workers_;
};

}  // namespace
}  // namespace berth::roles

BERTH_EXPORT_PLUGIN(berth::roles::kAbout, berth::roles::RolesPlugin);
