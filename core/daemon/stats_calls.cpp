// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/stats_calls.hpp"

namespace berth::daemon {
namespace {

constexpr milliseconds kTimeout = std::chrono::seconds(10);

}  // namespace

void StatsCalls::read(const PluginName& plugin, const v1::StatsRequest& request,
                      std::function<void(Result<v1::StatsResponse>)> done) {
  post_([this, plugin, bytes = request.SerializeAsString(), done = std::move(done)]() mutable {
    plugins_.call(plugin, v1::METHOD_LAUNCH_STATS, std::move(bytes), kTimeout,
                  [plugin, done = std::move(done)](Result<std::string> answered) {
                    if (!answered) return done(tl::unexpected(answered.error()));
                    v1::StatsResponse response;
                    if (response.ParseFromString(*answered)) return done(std::move(response));
                    done(fail(Errc::Internal, "the plugin gave an answer that cannot be read",
                              Subject::Plugin, plugin.str()));
                  });
  });
}

}  // namespace berth::daemon
