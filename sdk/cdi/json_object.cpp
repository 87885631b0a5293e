// SPDX-License-Identifier: Apache-2.0
#include "sdk/cdi/json_object.hpp"

#include <limits>
#include <utility>

namespace berth::cdi {

namespace json = boost::json;

JsonObject::JsonObject(const json::value& value, std::string path, Findings& findings)
    : object_(value.if_object()), path_(std::move(path)), findings_(findings) {
  if (!object_) findings_.add(path_.empty() ? "the file" : path_, "must be an object");
}

bool JsonObject::has(std::string_view name) const {
  const json::value* const value = object_ ? object_->if_contains(name) : nullptr;
  return value && !value->is_null();
}

std::string JsonObject::path_of(std::string_view name) const {
  return (path_.empty() ? "" : path_ + ".") + std::string(name);
}

const json::value* JsonObject::any(std::string_view name) {
  read_.emplace(name);
  return has(name) ? object_->if_contains(name) : nullptr;
}

std::string JsonObject::text(std::string_view name) {
  const json::value* const value = any(name);
  return value ? text_of(*value, path_of(name)) : std::string();
}

std::string JsonObject::required_text(std::string_view name) {
  std::string out = text(name);
  if (out.empty()) reject(name, "is missing");
  return out;
}

std::int64_t JsonObject::integer(std::string_view name, std::int64_t max) {
  const json::value* const value = any(name);
  return value ? integer_of(*value, path_of(name), max) : 0;
}

std::vector<std::string> JsonObject::texts(std::string_view name) {
  std::vector<std::string> out;
  items(name, [&](const json::value& item, const std::string& path) {
    out.push_back(text_of(item, path));
  });
  return out;
}

std::vector<std::int64_t> JsonObject::integers(std::string_view name, std::int64_t max) {
  std::vector<std::int64_t> out;
  items(name, [&](const json::value& item, const std::string& path) {
    out.push_back(integer_of(item, path, max));
  });
  return out;
}

void JsonObject::items(std::string_view name,
                       const std::function<void(const json::value&, const std::string&)>& each) {
  const json::value* const value = any(name);
  if (!value) return;
  const json::array* const array = value->if_array();
  if (!array) return reject(name, "must be a list");
  for (std::size_t i = 0; i < array->size(); ++i) {
    each((*array)[i], path_of(name) + "[" + std::to_string(i) + "]");
  }
}

void JsonObject::finish() {
  if (!object_) return;
  for (const auto& [name, value] : *object_) {
    const std::string_view view(name.data(), name.size());
    if (!read_.contains(view)) return reject(view, "is unknown");
  }
}

std::string JsonObject::text_of(const json::value& value, const std::string& path) {
  const json::string* const text = value.if_string();
  if (!text) {
    findings_.add(path, "must be a string (in YAML put numbers within quotes)");
    return {};
  }
  if (text->find('\0') != json::string::npos) findings_.add(path, "holds a NUL");
  return {text->data(), text->size()};
}

std::int64_t JsonObject::integer_of(const json::value& value, const std::string& path,
                                    std::int64_t max) {
  std::int64_t number = -1;
  if (const auto* is = value.if_int64()) number = *is;
  if (number >= 0 && number <= max) return number;
  findings_.add(path, "must be a whole number from 0 to " + std::to_string(max));
  return 0;
}

}  // namespace berth::cdi
