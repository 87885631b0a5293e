// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/image_calls.hpp"

namespace berth::daemon {
namespace {

constexpr milliseconds kPatience = std::chrono::seconds(10);
// Trees of many files are removed before it is answered.
constexpr milliseconds kPrunePatience = std::chrono::minutes(5);

}  // namespace

template <typename Response>
void ImageCalls::call(const To& to, std::string request, Done<Response> done) {
  post_([this, to, request = std::move(request), done = std::move(done)]() mutable {
    plugins_.call(to.plugin, to.method, std::move(request), to.patience,
                  [plugin = to.plugin, done = std::move(done)](Result<std::string> answered) {
                    if (!answered) return done(tl::unexpected(answered.error()));
                    Response response;
                    if (response.ParseFromString(*answered)) return done(std::move(response));
                    done(fail(Errc::Internal, "the plugin gave an answer that cannot be read",
                              Subject::Plugin, plugin.str()));
                  });
  });
}

void ImageCalls::list(const PluginName& plugin, const v1::ListImagesRequest& request,
                      Done<v1::ListImagesResponse> done) {
  call({plugin, v1::METHOD_LAUNCH_LIST_IMAGES, kPatience}, request.SerializeAsString(),
       std::move(done));
}

void ImageCalls::pull(const PluginName& plugin, const v1::PullImageRequest& request,
                      Done<v1::PullImageResponse> done) {
  post_([this, plugin, request] { pulls_(plugin, request); });
  call({plugin, v1::METHOD_LAUNCH_PULL_IMAGE, kPatience + milliseconds(request.wait_ms())},
       request.SerializeAsString(), std::move(done));
}

void ImageCalls::prune(const PluginName& plugin, const v1::PruneImagesRequest& request,
                       Done<v1::PruneImagesResponse> done) {
  call({plugin, v1::METHOD_LAUNCH_PRUNE_IMAGES, kPrunePatience}, request.SerializeAsString(),
       std::move(done));
}

}  // namespace berth::daemon
