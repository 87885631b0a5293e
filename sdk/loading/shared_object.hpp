// SPDX-License-Identifier: Apache-2.0
// One shared object, opened: the only place that knows Boost.DLL.
#pragma once

#include <filesystem>
#include <memory>

#include "berth/result.hpp"

namespace berth::loading {

struct SharedObject {
  std::shared_ptr<void> handle;  // closes it, where it may be closed
  const void* symbol =
      nullptr;  // BERTH_PLUGIN_SYMBOL; null where there is none. Valid until: handle goes
};

struct OpenOptions {
  bool unload = false;  // with the handle; else it stays mapped for good
};

// Opens with RTLD_NOW and RTLD_LOCAL. Errors: INVALID, with the dynamic linker's words.
[[nodiscard]] sdk::Result<SharedObject> open_shared_object(const std::filesystem::path& file,
                                                           OpenOptions options);

}  // namespace berth::loading
