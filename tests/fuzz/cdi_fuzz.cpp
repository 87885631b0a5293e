// SPDX-License-Identifier: Apache-2.0
// CDI files of any bytes, as JSON and as YAML: what is taken can go into the configuration of a
// container as it is.
#include <cstdlib>
#include <string_view>

#include "sdk/cdi/spec.hpp"

namespace {

using berth::cdi::Edits;

void check(const Edits& edits) {
  for (const auto& entry : edits.oci.env()) {
    if (entry.find('=') == 0 || entry.find('=') == std::string::npos) abort();
  }
  for (const auto& node : edits.oci.device_nodes()) {
    if (!node.path().starts_with('/') || node.path().find("/../") != std::string::npos) abort();
    if (!node.type().empty() && node.major() <= 0) abort();
    if (node.file_mode() > 07777) abort();
  }
  for (const auto& mount : edits.oci.mounts()) {
    if (!mount.container_path().starts_with('/') || mount.host_path().empty()) abort();
  }
  for (const auto& hook : edits.oci.hooks()) {
    if (hook.name().empty() || !hook.path().starts_with('/')) abort();
  }
  berth::v1::OciEdits read;  // strings that are no UTF-8 do not come through
  if (!read.ParseFromString(edits.oci.SerializeAsString())) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace berth::cdi;  // NOLINT
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  for (const Format format : {Format::Json, Format::Yaml}) {
    const auto spec = parse_spec(text, format);
    if (!spec) {
      if (spec.error().message.empty()) abort();
      continue;
    }
    if (!is_kind(spec->kind) || spec->devices.empty()) abort();
    check(spec->edits);
    for (const Device& device : spec->devices) {
      if (device.name.empty()) abort();
      check(device.edits);
    }
  }
  return 0;
}
