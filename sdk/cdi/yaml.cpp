// SPDX-License-Identifier: Apache-2.0
#include "sdk/cdi/yaml.hpp"

#include <yaml.h>

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace berth::cdi {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxDepth = 32;
constexpr std::size_t kMaxValues = 200000;

struct Event : yaml_event_t {
  Event() : yaml_event_t{} {}
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { yaml_event_delete(this); }
};

struct Parser : yaml_parser_t {
  explicit Parser(std::string_view text) : yaml_parser_t{}, ready(yaml_parser_initialize(this)) {
    if (!ready) return;
    yaml_parser_set_input_string(this, reinterpret_cast<const unsigned char*>(text.data()),
                                 text.size());
  }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  ~Parser() {
    if (ready) yaml_parser_delete(this);
  }
  const bool ready;
};

// 0x1f, 0o17, 017 and 17, with a sign.
std::optional<std::int64_t> integer(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0o")) {
    base = text[1] == 'x' ? 16 : 8;
    text.remove_prefix(2);
  } else if (text.size() > 1 && text.front() == '0') {
    base = 8;
    text.remove_prefix(1);
  }
  if (text.empty() || text.front() == '-') return {};
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, problem] = std::from_chars(text.data(), end, number, base);
  if (problem != std::errc() || stop != end) return {};
  return negative ? -number : number;
}

json::value scalar(const yaml_event_t& event) {
  const auto& data = event.data.scalar;
  const std::string_view text(reinterpret_cast<const char*>(data.value), data.length);
  if (data.style != YAML_PLAIN_SCALAR_STYLE || !data.plain_implicit) return json::string(text);
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") {
    return nullptr;
  }
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  if (const auto number = integer(text)) return *number;
  return json::string(text);
}

// Puts events together to one value.
class Builder {
 public:
  // What is wrong with the event, or nothing.
  std::string add(const yaml_event_t& event) {
    switch (event.type) {
      case YAML_DOCUMENT_START_EVENT:
        return documents_++ == 0 ? "" : "has a second document";
      case YAML_ALIAS_EVENT:
        return "has an alias: write the value out";
      case YAML_SCALAR_EVENT:
        return open_.empty() || open_.back().key || open_.back().value.is_array()
                   ? put(scalar(event))
                   : key(event);
      case YAML_SEQUENCE_START_EVENT:
        return open(json::array());
      case YAML_MAPPING_START_EVENT:
        return open(json::object());
      case YAML_SEQUENCE_END_EVENT:
      case YAML_MAPPING_END_EVENT:
        return close();
      default:
        return {};
    }
  }
  [[nodiscard]] std::optional<json::value>& root() { return root_; }

 private:
  struct Open {
    json::value value;
    std::optional<std::string> key;  // of an object: that the next value belongs to
  };

  std::string key(const yaml_event_t& event) {
    const auto& data = event.data.scalar;
    std::string name(reinterpret_cast<const char*>(data.value), data.length);
    if (open_.back().value.as_object().contains(name)) return "has the key '" + name + "' twice";
    open_.back().key = std::move(name);
    return {};
  }
  std::string put(json::value value) {
    if (++values_ > kMaxValues) return "has more values than a specification needs";
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (json::value& parent = open_.back().value; parent.is_array()) {
      parent.as_array().push_back(std::move(value));
    } else {
      parent.as_object()[*open_.back().key] = std::move(value);
      open_.back().key.reset();
    }
    return {};
  }
  std::string open(json::value value) {
    if (!open_.empty() && open_.back().value.is_object() && !open_.back().key) {
      return "has a key that is a list or a map";
    }
    if (open_.size() >= kMaxDepth) return "is nested deeper than a specification is";
    open_.push_back({std::move(value), {}});
    return {};
  }
  std::string close() {
    json::value done = std::move(open_.back().value);
    open_.pop_back();
    return put(std::move(done));
  }

  std::vector<Open> open_;
  std::optional<json::value> root_;
  std::size_t values_ = 0;
  int documents_ = 0;
};

sdk::Error at_line(std::size_t line, const std::string& what) {
  return sdk::fail(BERTH_INVALID, "line " + std::to_string(line + 1) + ": " + what);
}

}  // namespace

sdk::Result<json::value> parse_yaml(std::string_view text) {
  Parser parser(text);
  if (!parser.ready) return sdk::fail(BERTH_INTERNAL, "no memory for a YAML parser");
  Builder builder;
  for (bool more = true; more;) {
    Event event;
    if (!yaml_parser_parse(&parser, &event)) {
      return at_line(parser.problem_mark.line, parser.problem ? parser.problem : "is no YAML");
    }
    if (const std::string wrong = builder.add(event); !wrong.empty()) {
      return at_line(event.start_mark.line, wrong);
    }
    more = event.type != YAML_STREAM_END_EVENT;
  }
  if (!builder.root()) return sdk::fail(BERTH_INVALID, "is empty");
  return std::move(*builder.root());
}

}  // namespace berth::cdi
