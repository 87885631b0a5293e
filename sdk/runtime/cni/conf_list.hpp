// SPDX-License-Identifier: Apache-2.0
// A network configuration list of CNI: which plugins make an interface, in which order.
//
// Threads: any. Errors: INVALID names the file, the place in it and what is wrong; NOT_FOUND.
#pragma once

#include <boost/json.hpp>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "berth/result.hpp"

namespace berth::runtime::cni {

struct Plugin {
  std::string type;  // name of its program
  boost::json::object config;
  // Whether its configuration declares this capability ("portMappings", ...).
  [[nodiscard]] bool takes(std::string_view capability) const;
};

struct ConfList {
  std::string name;
  std::string version;  // "0.4.0" or "1.0.0"
  bool disable_check = false;
  std::vector<Plugin> plugins;  // at least one
  [[nodiscard]] bool takes(std::string_view capability) const;
  // What parse_list() reads back.
  [[nodiscard]] std::string print() const;
};

// `where` begins the messages.
[[nodiscard]] sdk::Result<ConfList> parse_list(std::string_view text, const std::string& where);
[[nodiscard]] sdk::Result<ConfList> read_list(const std::filesystem::path& file);

// An object of JSON, at most 1 MiB and 32 levels of it. The error says line and column.
[[nodiscard]] sdk::Result<boost::json::object> parse_object(std::string_view text,
                                                            const std::string& where);

}  // namespace berth::runtime::cni
