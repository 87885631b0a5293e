// SPDX-License-Identifier: Apache-2.0
#include "plugins/gpu/devices/nvidia_name.hpp"

#include <optional>
#include <utility>

#include "sdk/cdi/match.hpp"

namespace berth::gpu {

sdk::Result<std::string> nvidia_name(const cdi::Catalog& catalog, const std::string& kind,
                                     const std::string& uuid, unsigned index, unsigned minor) {
  const std::string node = "/dev/nvidia" + std::to_string(minor);
  std::optional<std::string> name;
  const auto by_uuid = catalog.find(kind + "=" + uuid);
  const auto by_index = catalog.find(kind + "=" + std::to_string(index));
  if (by_uuid) {
    name = (*by_uuid)->qualified_name();
  } else if (by_uuid.error().status == BERTH_PRECONDITION) {
    return by_uuid.error();
  } else if (const auto by_node = cdi::name_by_node(catalog, kind, node)) {
    name = by_node;
  } else if (by_index && cdi::has_none_like(**by_index, node)) {
    name = (*by_index)->qualified_name();
  }
  if (!name) {
    return sdk::fail(BERTH_PRECONDITION,
                     "no CDI file in " + catalog.places() + " describes it as a " + kind + " (by " +
                         uuid + ", or by " + node +
                         "): run nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml");
  }
  if (const auto entry = catalog.find(*name)) {
    if (std::string missing = cdi::missing_support(**entry); !missing.empty()) {
      return sdk::fail(BERTH_PRECONDITION, std::move(missing));
    }
  }
  return *name;
}

}  // namespace berth::gpu
