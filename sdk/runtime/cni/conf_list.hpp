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

// Of a text of JSON: its bytes and the levels in it. What was taken from others is kept inside
// files of ours, escaped and a level deeper, and must be readable there.
struct Bounds {
  std::size_t bytes;
  std::size_t depth;
};
inline constexpr Bounds kOthers{256 << 10, 16};
inline constexpr Bounds kOurs{8 << 20, 32};

// `where` begins the messages.
[[nodiscard]] sdk::Result<ConfList> parse_list(std::string_view text, const std::string& where,
                                               Bounds bounds = kOthers);
[[nodiscard]] sdk::Result<ConfList> read_list(const std::filesystem::path& file);

// An object of JSON. The error says line and column.
[[nodiscard]] sdk::Result<boost::json::object> parse_object(std::string_view text,
                                                            const std::string& where,
                                                            Bounds bounds = kOthers);

}  // namespace berth::runtime::cni
