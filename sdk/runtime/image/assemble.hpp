// SPDX-License-Identifier: Apache-2.0
// From the layers of an image to what an overlay of them needs: which of them count, and which
// directories to mend.
//
// A layer may hold "a/b" without describing "a". Its own directory "a" is then made with plain
// attributes, and would hide those that a lower layer gave it; mend_directories finds them, for the
// container's upper directory. Threads: any; reads layers that nobody changes any more.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "sdk/runtime/image/image.hpp"

namespace berth::runtime::image {

struct AssembledLayer {
  std::string path;               // its directory
  std::set<std::string> implied;  // LayerRecord's
};

[[nodiscard]] std::vector<DirectoryAttributes> mend_directories(
    const std::vector<AssembledLayer>& bottom_first);

}  // namespace berth::runtime::image
