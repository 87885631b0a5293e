// SPDX-License-Identifier: Apache-2.0
// ListImages, PullImage, PruneImages: the images that container instances keep, fetched ahead and
// removed.
//
// Each instance is asked by itself, all at the same time; the answer comes when all have answered
// or run out of time, and names those that could not be asked. Threads: any.
#pragma once

#include <string>

#include "core/api/ecs/call.hpp"
#include "core/api/image_source.hpp"

namespace berth::api {

void list_images(const Call& call, ImageSource& source);
// `fresh_id` names the pull where the request does not.
void pull_image(const Call& call, ImageSource& source, std::string fresh_id);
void prune_images(const Call& call, ImageSource& source);

}  // namespace berth::api
