// SPDX-License-Identifier: Apache-2.0
// Reading objects of a stranger's JSON strictly: each member by name and type, none left over.
//
// The first problem is kept and later ones are not; reading goes on with empty values, so callers
// ask once at the end. Threads: one at a time. Valid until: the value read from is gone.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "berth/result.hpp"

namespace berth::cdi {

// Where the first problem goes.
struct Findings {
  std::optional<sdk::Error> first;

  void add(const std::string& path, const std::string& problem) {
    if (!first) first = sdk::fail(BERTH_INVALID, path + " " + problem, path);
  }
};

class JsonObject {
 public:
  // `path` is empty for the root.
  JsonObject(const boost::json::value& value, std::string path, Findings& findings);

  [[nodiscard]] bool has(std::string_view name) const;
  [[nodiscard]] std::string path_of(std::string_view name) const;
  [[nodiscard]] Findings& findings() { return findings_; }
  void reject(std::string_view name, const std::string& problem) {
    findings_.add(path_of(name), problem);
  }

  // Strings hold no NUL. What is not there, or null, is the empty value.
  [[nodiscard]] std::string text(std::string_view name);
  [[nodiscard]] std::string required_text(std::string_view name);
  [[nodiscard]] std::int64_t integer(std::string_view name, std::int64_t max);
  [[nodiscard]] std::vector<std::string> texts(std::string_view name);
  [[nodiscard]] std::vector<std::int64_t> integers(std::string_view name, std::int64_t max);
  // Calls `each` with every item and its path.
  void items(std::string_view name,
             const std::function<void(const boost::json::value&, const std::string&)>& each);
  // The member as it is; null where it is not there.
  [[nodiscard]] const boost::json::value* any(std::string_view name);

  // Rejects members that were not read.
  void finish();

 private:
  [[nodiscard]] std::string text_of(const boost::json::value& value, const std::string& path);
  [[nodiscard]] std::int64_t integer_of(const boost::json::value& value, const std::string& path,
                                        std::int64_t max);

  const boost::json::object* object_ = nullptr;
  std::string path_;
  Findings& findings_;
  std::set<std::string, std::less<>> read_;
};

}  // namespace berth::cdi
