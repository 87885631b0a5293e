// SPDX-License-Identifier: Apache-2.0
#include "sdk/loading/shared_object.hpp"

#include <dlfcn.h>

#define BOOST_DLL_USE_STD_FS
#include <boost/dll/shared_library.hpp>

#include "berth/plugin_abi.h"

namespace berth::loading {

sdk::Result<SharedObject> open_shared_object(const std::filesystem::path& file,
                                             OpenOptions options) {
  namespace dll = boost::dll;
  auto mode = dll::load_mode::rtld_now | dll::load_mode::rtld_local;
  // Threads and thread-local destructors of the plugin's libraries may outlive every handle.
  if (!options.unload) mode |= static_cast<dll::load_mode::type>(RTLD_NODELETE);
  try {
    // The throwing overload: the other one loses dlerror's words.
    auto library = std::make_shared<dll::shared_library>(file, mode);
    const void* symbol = nullptr;
    if (library->has(BERTH_PLUGIN_SYMBOL)) {
      symbol = &library->get<const berth_plugin>(BERTH_PLUGIN_SYMBOL);
    }
    return SharedObject{std::move(library), symbol};
  } catch (const std::exception& problem) {
    return sdk::fail(BERTH_INVALID, file.string() + " cannot be loaded: " + problem.what());
  }
}

}  // namespace berth::loading
