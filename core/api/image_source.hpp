// SPDX-License-Identifier: Apache-2.0
// The images of nodes: the daemon asks launch type plugins.
//
// Threads: any. `done` is called once, on any thread: of a list within seconds, of a pull soon
// after its wait_ms, of a prune within minutes.
#pragma once

#include <functional>

#include "berth/v1/launch.pb.h"
#include "core/model/error.hpp"
#include "core/model/ids.hpp"

namespace berth::api {

class ImageSource {
 public:
  template <typename Response>
  using Done = std::function<void(Result<Response>)>;

  virtual ~ImageSource() = default;
  virtual void list(const PluginName& plugin, const v1::ListImagesRequest& request,
                    Done<v1::ListImagesResponse> done) = 0;
  virtual void pull(const PluginName& plugin, const v1::PullImageRequest& request,
                    Done<v1::PullImageResponse> done) = 0;
  virtual void prune(const PluginName& plugin, const v1::PruneImagesRequest& request,
                     Done<v1::PruneImagesResponse> done) = 0;
};

}  // namespace berth::api
