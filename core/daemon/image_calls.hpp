// SPDX-License-Identifier: Apache-2.0
// Calls about the images of nodes, from the API to plugins.
//
// Threads: any.
#pragma once

#include "core/api/image_source.hpp"
#include "core/daemon/plugin_set.hpp"

namespace berth::daemon {

class ImageCalls final : public api::ImageSource {
 public:
  // Told, on the loop, of each pull before its plugin hears of it.
  using Pulls = std::function<void(const PluginName& plugin, const v1::PullImageRequest& request)>;
  // `post` runs work on the loop; all must outlive this.
  ImageCalls(PluginSet& plugins, std::function<void(std::function<void()>)> post, Pulls pulls)
      : plugins_(plugins), post_(std::move(post)), pulls_(std::move(pulls)) {}

  void list(const PluginName& plugin, const v1::ListImagesRequest& request,
            Done<v1::ListImagesResponse> done) override;
  void pull(const PluginName& plugin, const v1::PullImageRequest& request,
            Done<v1::PullImageResponse> done) override;
  void prune(const PluginName& plugin, const v1::PruneImagesRequest& request,
             Done<v1::PruneImagesResponse> done) override;

 private:
  struct To {
    PluginName plugin;
    v1::Method method;
    milliseconds patience;
  };
  template <typename Response>
  void call(const To& to, std::string request, Done<Response> done);

  PluginSet& plugins_;
  std::function<void(std::function<void()>)> post_;
  Pulls pulls_;
};

}  // namespace berth::daemon
