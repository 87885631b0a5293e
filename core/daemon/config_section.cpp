// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/config_section.hpp"

namespace berth::daemon {

Error refuse(std::string_view file, const toml::node& node, const std::string& key,
             const std::string& why) {
  return Error{
      Errc::Invalid,
      std::string(file) + ":" + std::to_string(node.source().begin.line) + ": " + key + ": " + why,
      Subject::None,
      key,
      {}};
}

const toml::node& member_of(const toml::table& table, std::string_view key) {
  const toml::node* node = table.get(key);
  return node != nullptr ? *node : table;
}

Section& Section::text(std::string_view key, std::string& out) {
  return on(key, [this, &out](const toml::node& node, const std::string& name) -> Refusal {
    const auto value = node.value_exact<std::string>();
    if (!value) return refuse(file_, node, name, "must be a string");
    out = *value;
    return {};
  });
}

Section& Section::number(std::string_view key, std::int64_t least, std::int64_t most,
                         std::int64_t& out) {
  return on(key, [=, this, &out](const toml::node& node, const std::string& name) -> Refusal {
    const auto value = node.value_exact<std::int64_t>();
    if (!value || *value < least || *value > most) {
      return refuse(
          file_, node, name,
          "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    }
    out = *value;
    return {};
  });
}

Section& Section::texts(std::string_view key, std::vector<std::string>& out) {
  return on(key, [this, &out](const toml::node& node, const std::string& name) -> Refusal {
    const toml::array* list = node.as_array();
    if (list == nullptr) return refuse(file_, node, name, "must be a list of strings");
    for (const auto& item : *list) {
      const auto value = item.value_exact<std::string>();
      if (!value) return refuse(file_, item, name, "must be a list of strings");
      out.push_back(*value);
    }
    return {};
  });
}

Refusal Section::read() const {
  for (const auto& [key, node] : table_) {
    const std::string name =
        path_.empty() ? std::string(key.str()) : path_ + "." + std::string(key.str());
    const auto found = readers_.find(std::string(key.str()));
    const Reader* reader = found != readers_.end() ? &found->second : rest_ ? &rest_ : nullptr;
    if (reader == nullptr) return refuse(file_, node, name, "unknown key");
    if (auto refusal = (*reader)(node, name)) return refusal;
  }
  return {};
}

Refusal read_positive(std::string_view file, const toml::node& node, const std::string& name,
                      std::int64_t least, const std::function<void(std::int64_t)>& take) {
  const auto value = node.value_exact<std::int64_t>();
  if (!value || *value < least) {
    return refuse(file, node, name, "must be a whole number of at least " + std::to_string(least));
  }
  take(*value);
  return {};
}

Refusal read_tables(std::string_view file, const toml::node& node, const std::string& key,
                    const std::function<Refusal(const toml::table&)>& take) {
  const toml::array* list = node.as_array();
  if (list == nullptr) {
    return refuse(file, node, key, "must be a list of tables: [[" + key + "]]");
  }
  for (const auto& item : *list) {
    const toml::table* table = item.as_table();
    if (table == nullptr) return refuse(file, item, key, "must be a table");
    if (auto refusal = take(*table)) return refusal;
  }
  return {};
}

}  // namespace berth::daemon
