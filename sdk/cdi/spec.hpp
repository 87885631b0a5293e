// SPDX-License-Identifier: Apache-2.0
// One file of the Container Device Interface (version 1.1.0 and before): devices of one kind, and
// how a container is edited to have them.
//
// Threads: any; pure functions of a stranger's text. As the interface has it, an unknown member, or
// one that is newer than the version the file says it has, makes the file invalid.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "berth/result.hpp"
#include "berth/v1/host.pb.h"

namespace berth::cdi {

struct Edits {
  v1::OciEdits oci;
  std::vector<std::string> unsupported;  // members by path that OciEdits cannot say
};

struct Device {
  std::string name;
  Edits edits;
};

struct Spec {
  std::string kind;  // "vendor.example/class"
  std::vector<Device> devices;
  Edits edits;  // once for each container that gets one of the devices

  [[nodiscard]] std::string vendor() const { return kind.substr(0, kind.find('/')); }
};

// "vendor.example/class", as CDI has it.
[[nodiscard]] bool is_kind(const std::string& text);

enum class Format { Json, Yaml };

// Errors: INVALID, with the path of the member at fault in words and field.
[[nodiscard]] sdk::Result<Spec> parse_spec(std::string_view text, Format format);

// Adds `more` to `edits`, without what is there already.
void merge(const v1::OciEdits& more, v1::OciEdits& edits);

}  // namespace berth::cdi
