// SPDX-License-Identifier: Apache-2.0
#include <boost/json/basic_parser_impl.hpp>
#include <unordered_set>

#include "core/api/json/value.hpp"

namespace berth::api::json {
namespace {

namespace bj = boost::json;

// Builds the tree from the parser's events. Boost's own tree would turn large numbers into doubles
// and keep the last of two members of one name; both would be silent losses here.
class Builder {
 public:
  static constexpr std::size_t max_object_size = std::size_t(-1);
  static constexpr std::size_t max_array_size = std::size_t(-1);
  static constexpr std::size_t max_key_size = std::size_t(-1);
  static constexpr std::size_t max_string_size = std::size_t(-1);

  explicit Builder(std::size_t values) : values_left_(values) {}

  Value take() { return std::move(root_); }
  [[nodiscard]] const char* complaint() const { return complaint_; }

  bool on_document_begin(bj::error_code&) { return true; }
  bool on_document_end(bj::error_code&) { return true; }
  bool on_object_begin(bj::error_code& ec) { return open(Value::Kind::Object, ec); }
  bool on_array_begin(bj::error_code& ec) { return open(Value::Kind::List, ec); }
  bool on_object_end(std::size_t, bj::error_code&) { return close(); }
  bool on_array_end(std::size_t, bj::error_code&) { return close(); }
  bool on_key_part(bj::string_view part, std::size_t, bj::error_code&) { return append(part); }
  bool on_key(bj::string_view part, std::size_t, bj::error_code& ec) {
    append(part);
    Frame& frame = open_.back();
    if (!frame.names.insert(text_).second) return stop("a member stands there twice", ec);
    frame.value->members.push_back({std::move(text_), {}});
    text_.clear();
    return true;
  }
  bool on_string_part(bj::string_view part, std::size_t, bj::error_code&) { return append(part); }
  bool on_string(bj::string_view part, std::size_t, bj::error_code& ec) {
    append(part);
    return leaf(Value::Kind::String, ec);
  }
  bool on_number_part(bj::string_view part, bj::error_code&) { return append(part); }
  bool on_int64(std::int64_t, bj::string_view part, bj::error_code& ec) { return number(part, ec); }
  bool on_uint64(std::uint64_t, bj::string_view part, bj::error_code& ec) {
    return number(part, ec);
  }
  bool on_double(double, bj::string_view part, bj::error_code& ec) { return number(part, ec); }
  bool on_bool(bool value, bj::error_code& ec) {
    return leaf(value ? Value::Kind::True : Value::Kind::False, ec);
  }
  bool on_null(bj::error_code& ec) { return leaf(Value::Kind::Null, ec); }
  bool on_comment_part(bj::string_view, bj::error_code&) { return true; }
  bool on_comment(bj::string_view, bj::error_code&) { return true; }

 private:
  struct Frame {
    Value* value;  // stable: only the innermost list or object grows
    std::unordered_set<std::string> names;
  };

  bool append(bj::string_view part) {
    text_.append(part.data(), part.size());
    return true;
  }
  bool number(bj::string_view part, bj::error_code& ec) {
    append(part);
    return leaf(Value::Kind::Number, ec);
  }
  bool stop(const char* why, bj::error_code& ec) {
    complaint_ = why;
    ec = bj::error::array_too_large;
    return false;
  }
  // The place for the next value, or null where there are too many.
  Value* place(bj::error_code& ec) {
    if (values_left_ == 0) {
      stop("it has too many values", ec);
      return nullptr;
    }
    --values_left_;
    if (open_.empty()) return &root_;
    Value& parent = *open_.back().value;
    if (parent.kind == Value::Kind::Object) return &parent.members.back().value;
    return &parent.items.emplace_back();
  }
  bool open(Value::Kind kind, bj::error_code& ec) {
    Value* value = place(ec);
    if (value == nullptr) return false;
    value->kind = kind;
    open_.push_back({value, {}});
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }
  bool leaf(Value::Kind kind, bj::error_code& ec) {
    Value* value = place(ec);
    if (value == nullptr) return false;
    value->kind = kind;
    value->text = std::move(text_);
    text_.clear();
    return true;
  }

  Value root_;
  std::vector<Frame> open_;
  std::string text_;
  std::size_t values_left_;
  const char* complaint_ = nullptr;
};

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

}  // namespace

const Value* Value::find(std::string_view name) const {
  for (const Member& member : members) {
    if (member.name == name) return &member.value;
  }
  return nullptr;
}

Result<Value> parse(std::string_view text, ParseLimits limits) {
  bj::parse_options options;
  options.max_depth = limits.depth;
  bj::basic_parser<Builder> parser(options, limits.values);
  bj::error_code ec;
  const std::size_t read = parser.write_some(false, text.data(), text.size(), ec);
  if (ec) {
    const char* why = parser.handler().complaint();
    return fail(Errc::Invalid, "The body is no JSON that can be read: " +
                                   (why != nullptr ? std::string(why) : ec.message()) +
                                   " (at byte " + std::to_string(read) + ").");
  }
  if (!parser.done() || !is_blank(text.substr(read))) {
    return fail(Errc::Invalid,
                "The body is no JSON that can be read: text after its end (at byte " +
                    std::to_string(read) + ").");
  }
  return parser.handler().take();
}

}  // namespace berth::api::json
