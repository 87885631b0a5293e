// SPDX-License-Identifier: Apache-2.0
// Which CDI device is which piece of hardware: tools name the same one by number, by UUID, and with
// others as "all".
//
// Threads: any; pure functions.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "berth/result.hpp"
#include "sdk/cdi/catalog.hpp"

namespace berth::cdi {

// What Berth cannot do of what the device needs; empty where it can do all of it.
[[nodiscard]] std::string missing_support(const Entry& entry);

// Adds the device's edits, and once those that its file has for each container: `specs` are the
// files whose edits are there. Errors: PRECONDITION, with what Berth cannot do.
[[nodiscard]] sdk::Result<void> add_edits(const Entry& entry, std::set<const Spec*>& specs,
                                          v1::OciEdits& edits);

// Whether the device has no node like this one, which ends with the device's number.
[[nodiscard]] bool has_none_like(const Entry& entry, const std::string& node);

// The qualified name of the one device of the kind that has the node, by its path on the host or in
// the container, and no others' such nodes.
[[nodiscard]] std::optional<std::string> name_by_node(const Catalog& catalog,
                                                      const std::string& kind,
                                                      const std::string& node);

// Without second names of the same hardware, and without names of several at once.
[[nodiscard]] std::vector<const Entry*> distinct(const std::vector<const Entry*>& entries);

}  // namespace berth::cdi
