// SPDX-License-Identifier: Apache-2.0
// Reading answers whose members may be absent: the empty value stands for a missing one.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <string_view>

namespace berth::cli {

[[nodiscard]] inline std::string text_of(const boost::json::object& object, std::string_view key) {
  const auto* member = object.if_contains(key);
  return member && member->is_string() ? std::string(member->as_string()) : std::string();
}

[[nodiscard]] inline double number_of(const boost::json::object& object, std::string_view key) {
  const auto* member = object.if_contains(key);
  return member && member->is_number() ? member->to_number<double>() : 0.0;
}

[[nodiscard]] inline const boost::json::array& list_of(const boost::json::object& object,
                                                       std::string_view key) {
  static const boost::json::array kNone;
  const auto* member = object.if_contains(key);
  return member && member->is_array() ? member->as_array() : kNone;
}

[[nodiscard]] inline const boost::json::object& object_of(const boost::json::object& object,
                                                          std::string_view key) {
  static const boost::json::object kNone;
  const auto* member = object.if_contains(key);
  return member && member->is_object() ? member->as_object() : kNone;
}

// The part after the last '/': the id in an ARN.
[[nodiscard]] inline std::string tail_of(const std::string& arn) {
  return arn.substr(arn.rfind('/') + 1);
}

}  // namespace berth::cli
