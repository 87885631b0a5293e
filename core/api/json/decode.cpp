// SPDX-License-Identifier: Apache-2.0
#include "core/api/json/decode.hpp"

#include <google/protobuf/message.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

namespace berth::api::json {
namespace {

namespace pb = google::protobuf;
using Kind = Value::Kind;
using Type = pb::FieldDescriptor::CppType;

constexpr std::string_view kTimestamp = "berth.v1.ecs.Timestamp";

std::string_view coral_name(const Value& value) {
  switch (value.kind) {
    case Kind::Null:
      return "NULL_VALUE";
    case Kind::False:
      return "FALSE_VALUE";
    case Kind::True:
      return "TRUE_VALUE";
    case Kind::Number:
      return "NUMBER_VALUE";
    case Kind::String:
      return "STRING_VALUE";
    case Kind::List:
      return "START_ARRAY";
    case Kind::Object:
      return "START_OBJECT";
  }
  return "NULL_VALUE";
}

tl::unexpected<Error> refuse(const std::string& path, std::string text) {
  return fail(Errc::Invalid, path.empty() ? std::move(text) : path + ": " + text, Subject::None,
              path);
}

tl::unexpected<Error> wrong_type(const std::string& path, const Value& value,
                                 std::string_view wanted) {
  if (value.kind == Kind::List) return refuse(path, "Start of list found where not expected");
  if (value.kind == Kind::Object) {
    return refuse(path, "Start of structure or map found where not expected.");
  }
  return refuse(path,
                std::string(coral_name(value)) + " can not be converted to " + std::string(wanted));
}

// Whole numbers also as 1.0 or 1e3, which some clients write.
std::optional<std::int64_t> whole_number(const std::string& text) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto plain = std::from_chars(text.data(), end, number);
  if (plain.ec == std::errc() && plain.ptr == end) return number;
  if (text.find_first_of(".eE") == std::string::npos) return std::nullopt;
  double value = 0;
  const auto real = std::from_chars(text.data(), end, value);
  constexpr double kExact = 9007199254740992.0;  // 2^53
  if (real.ec != std::errc() || real.ptr != end || std::trunc(value) != value ||
      std::fabs(value) > kExact) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(value);
}

std::optional<double> real_number(const std::string& text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  if (read.ec != std::errc() || read.ptr != end || !std::isfinite(value)) return std::nullopt;
  return value;
}

class Decoder {
 public:
  explicit Decoder(Decoded& out) : out_(out) {}

  Result<void> object(const Value& value, pb::Message& message, const std::string& path,
                      Value& unknown) {
    if (value.kind != Kind::Object) return refuse(path, "Expected structure or null");
    for (const Member& member : value.members) {
      const pb::FieldDescriptor* field = find(*message.GetDescriptor(), member.name);
      if (field == nullptr) {
        ++out_.unknown_count;
        keep(unknown, member.name, member.value);
        continue;
      }
      if (member.value.kind == Kind::Null) continue;
      Value below;
      const std::string here = path.empty() ? member.name : path + "." + member.name;
      auto done = this->field(member.value, message, *field, here, below);
      if (!done) return done;
      if (below.kind != Kind::Null) keep(unknown, member.name, std::move(below));
    }
    return {};
  }

 private:
  static const pb::FieldDescriptor* find(const pb::Descriptor& type, const std::string& name) {
    for (int i = 0; i < type.field_count(); ++i) {
      if (type.field(i)->json_name() == name) return type.field(i);
    }
    return nullptr;
  }
  static void keep(Value& unknown, const std::string& name, Value value) {
    unknown.kind = Kind::Object;
    unknown.members.push_back({name, std::move(value)});
  }

  Result<void> field(const Value& value, pb::Message& message, const pb::FieldDescriptor& field,
                     const std::string& path, Value& unknown) {
    if (field.is_map()) return map(value, message, field, path);
    if (field.is_repeated()) return list(value, message, field, path, unknown);
    if (field.cpp_type() != Type::CPPTYPE_MESSAGE) return scalar(value, message, field, path);
    pb::Message& below = *message.GetReflection()->MutableMessage(&message, &field);
    if (field.message_type()->full_name() == kTimestamp) return timestamp(value, below, path);
    return object(value, below, path, unknown);
  }

  Result<void> list(const Value& value, pb::Message& message, const pb::FieldDescriptor& field,
                    const std::string& path, Value& unknown) {
    if (value.kind != Kind::List) return refuse(path, "Expected list or null");
    out_.present.insert(path);
    for (std::size_t i = 0; i < value.items.size(); ++i) {
      const std::string here = path + "[" + std::to_string(i) + "]";
      if (field.cpp_type() != Type::CPPTYPE_MESSAGE) {
        auto done = scalar(value.items[i], message, field, here);
        if (!done) return done;
        continue;
      }
      Value below;
      auto done = object(value.items[i], *message.GetReflection()->AddMessage(&message, &field),
                         here, below);
      if (!done) return done;
      if (below.kind == Kind::Null) continue;
      unknown.kind = Kind::List;
      unknown.items.resize(i);  // nulls for those before that had none
      unknown.items.push_back(std::move(below));
    }
    return {};
  }

  // All maps of the model are of strings to strings.
  Result<void> map(const Value& value, pb::Message& message, const pb::FieldDescriptor& field,
                   const std::string& path) {
    if (value.kind != Kind::Object) return refuse(path, "Expected map or null");
    out_.present.insert(path);
    for (const Member& member : value.members) {
      const std::string here = path + "." + member.name;
      if (member.value.kind == Kind::Null) continue;
      if (member.value.kind != Kind::String) return wrong_type(here, member.value, "a String");
      if (auto clean = no_nul(member.name, here); !clean) return clean;
      if (auto clean = no_nul(member.value.text, here); !clean) return clean;
      pb::Message& entry = *message.GetReflection()->AddMessage(&message, &field);
      const pb::Descriptor& type = *entry.GetDescriptor();
      entry.GetReflection()->SetString(&entry, type.map_key(), member.name);
      entry.GetReflection()->SetString(&entry, type.map_value(), member.value.text);
    }
    return {};
  }

  static Result<void> timestamp(const Value& value, pb::Message& message, const std::string& path) {
    if (value.kind != Kind::Number) return wrong_type(path, value, "a Timestamp");
    const auto seconds = real_number(value.text);
    constexpr double kLast = 253402300800.0;  // the year 10000
    if (!seconds || std::fabs(*seconds) >= kLast) {
      return refuse(path, "The number is out of range for a Timestamp");
    }
    const pb::FieldDescriptor* ms = message.GetDescriptor()->FindFieldByName("ms");
    message.GetReflection()->SetInt64(&message, ms, std::llround(*seconds * 1000.0));
    return {};
  }

  // A NUL cannot stand in an argument, a variable or a path of a process: no member has a use for
  // it.
  static Result<void> no_nul(const std::string& text, const std::string& path) {
    if (text.find('\0') == std::string::npos) return {};
    return refuse(path, "The character U+0000 is not allowed");
  }

  static Result<void> scalar(const Value& value, pb::Message& message,
                             const pb::FieldDescriptor& field, const std::string& path) {
    switch (field.cpp_type()) {
      case Type::CPPTYPE_STRING: {
        if (value.kind != Kind::String) return wrong_type(path, value, "a String");
        if (auto clean = no_nul(value.text, path); !clean) return clean;
        set(message, field, &pb::Reflection::SetString, &pb::Reflection::AddString, value.text);
        return {};
      }
      case Type::CPPTYPE_BOOL: {
        if (value.kind != Kind::True && value.kind != Kind::False) {
          return wrong_type(path, value, "a Boolean");
        }
        set(message, field, &pb::Reflection::SetBool, &pb::Reflection::AddBool,
            value.kind == Kind::True);
        return {};
      }
      case Type::CPPTYPE_INT32: {
        auto number = integer(value, path, "an Integer", std::numeric_limits<std::int32_t>::min(),
                              std::numeric_limits<std::int32_t>::max());
        if (!number) return tl::unexpected(number.error());
        set(message, field, &pb::Reflection::SetInt32, &pb::Reflection::AddInt32,
            static_cast<std::int32_t>(*number));
        return {};
      }
      case Type::CPPTYPE_INT64: {
        auto number = integer(value, path, "a Long", std::numeric_limits<std::int64_t>::min(),
                              std::numeric_limits<std::int64_t>::max());
        if (!number) return tl::unexpected(number.error());
        set(message, field, &pb::Reflection::SetInt64, &pb::Reflection::AddInt64, *number);
        return {};
      }
      case Type::CPPTYPE_DOUBLE: {
        if (value.kind != Kind::Number) return wrong_type(path, value, "a Double");
        const auto number = real_number(value.text);
        if (!number) return refuse(path, "The number is out of range for a Double");
        set(message, field, &pb::Reflection::SetDouble, &pb::Reflection::AddDouble, *number);
        return {};
      }
      default:
        BERTH_ASSERT(false && "a type that the API model does not have");
    }
    return {};
  }

  static Result<std::int64_t> integer(const Value& value, const std::string& path,
                                      std::string_view wanted, std::int64_t least,
                                      std::int64_t most) {
    if (value.kind != Kind::Number) return wrong_type(path, value, wanted);
    const auto number = whole_number(value.text);
    if (!number || *number < least || *number > most) {
      return refuse(path, "The number is out of range for " + std::string(wanted));
    }
    return *number;
  }

  template <typename Set, typename Add, typename T>
  static void set(pb::Message& message, const pb::FieldDescriptor& field, Set set_one, Add add,
                  T value) {
    const pb::Reflection* reflection = message.GetReflection();
    if (field.is_repeated()) {
      (reflection->*add)(&message, &field, std::move(value));
    } else {
      (reflection->*set_one)(&message, &field, std::move(value));
    }
  }

  Decoded& out_;
};

}  // namespace

std::string Decoded::unknown_json() const {
  std::string text;
  if (unknown.kind != Kind::Null) write(text, unknown);
  return text;
}

Result<Decoded> decode(std::string_view text, pb::Message& message) {
  auto value = parse(text);
  if (!value) return tl::unexpected(value.error());
  Decoded decoded;
  auto done = Decoder(decoded).object(*value, message, "", decoded.unknown);
  if (!done) return tl::unexpected(done.error());
  return decoded;
}

}  // namespace berth::api::json
