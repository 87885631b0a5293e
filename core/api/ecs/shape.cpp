// SPDX-License-Identifier: Apache-2.0
#include "core/api/ecs/shape.hpp"

#include <google/protobuf/message.h>

#include <string>
#include <string_view>

#include "core/api/ecs/shape_rules.hpp"

namespace berth::api {
namespace {

namespace pb = google::protobuf;
using Type = pb::FieldDescriptor::CppType;

bool is_one_of(std::string_view value, std::string_view values) {
  while (true) {
    const std::size_t comma = values.find(',');
    if (values.substr(0, comma) == value) return true;
    if (comma == std::string_view::npos) return false;
    values.remove_prefix(comma + 1);
  }
}

class Checker {
 public:
  explicit Checker(Subject subject) : subject_(subject) {}

  Result<void> message(const pb::Message& message, const std::string& path) {
    const pb::Descriptor& type = *message.GetDescriptor();
    for (int i = 0; i < type.field_count(); ++i) {
      const pb::FieldDescriptor& field = *type.field(i);
      const std::string here = path.empty() ? field.json_name() : path + "." + field.json_name();
      if (const Rule* rule = rule_of(type.name() + "." + field.json_name())) {
        if (auto done = member(message, field, *rule, here); !done) return done;
      }
      if (auto done = below(message, field, here); !done) return done;
    }
    return {};
  }

 private:
  tl::unexpected<Error> refuse(const Rule& rule, const std::string& path, std::string text) {
    const Subject subject = rule.client_exception ? Subject::Definition : subject_;
    return fail(Errc::Invalid, std::move(text), subject, path);
  }
  static std::string name(const Rule& rule, const std::string& path) {
    return rule.words.empty() ? path : std::string(rule.words);
  }

  Result<void> below(const pb::Message& parent, const pb::FieldDescriptor& field,
                     const std::string& path) {
    if (field.cpp_type() != Type::CPPTYPE_MESSAGE || field.is_map()) return {};
    const pb::Reflection& reflection = *parent.GetReflection();
    if (!field.is_repeated()) {
      if (!reflection.HasField(parent, &field)) return {};
      return message(reflection.GetMessage(parent, &field), path);
    }
    for (int i = 0; i < reflection.FieldSize(parent, &field); ++i) {
      auto done = message(reflection.GetRepeatedMessage(parent, &field, i),
                          path + "[" + std::to_string(i) + "]");
      if (!done) return done;
    }
    return {};
  }

  Result<void> member(const pb::Message& message, const pb::FieldDescriptor& field,
                      const Rule& rule, const std::string& path) {
    const pb::Reflection& reflection = *message.GetReflection();
    const bool text = field.cpp_type() == Type::CPPTYPE_STRING;
    const int size = field.is_repeated() ? reflection.FieldSize(message, &field) : -1;
    const bool present = field.is_repeated() ? size > 0 : reflection.HasField(message, &field);
    const bool blank =
        !present || (text && size < 0 && reflection.GetString(message, &field).empty());
    if (rule.required && blank) {
      return refuse(rule, path,
                    rule.text.empty() ? name(rule, path) + " should not be null or empty."
                                      : std::string(rule.text));
    }
    if (!present) return {};
    if (!rule.one_of.empty()) {
      for (int i = size < 0 ? -1 : 0; i < size || i < 0; ++i) {
        const std::string value = i < 0 ? reflection.GetString(message, &field)
                                        : reflection.GetRepeatedString(message, &field, i);
        if (!is_one_of(value, rule.one_of)) {
          return refuse(rule, path,
                        rule.text.empty() ? name(rule, path) + " should be one of [" +
                                                std::string(rule.one_of) + "]"
                                          : std::string(rule.text));
        }
        if (i < 0) break;
      }
    }
    return bounds(message, field, rule, path);
  }

  Result<void> bounds(const pb::Message& message, const pb::FieldDescriptor& field,
                      const Rule& rule, const std::string& path) {
    if (rule.least == kNone && rule.most == kNone) return {};
    const pb::Reflection& reflection = *message.GetReflection();
    std::int64_t value = 0;
    std::string_view unit;
    if (field.is_repeated()) {
      value = reflection.FieldSize(message, &field);
      unit = " entries";
    } else if (field.cpp_type() == Type::CPPTYPE_STRING) {
      value = static_cast<std::int64_t>(reflection.GetString(message, &field).size());
      unit = " characters";
    } else if (field.cpp_type() == Type::CPPTYPE_INT64) {
      value = reflection.GetInt64(message, &field);
    } else {
      value = reflection.GetInt32(message, &field);
    }
    if (rule.least != kNone && value < rule.least) {
      return refuse(rule, path,
                    name(rule, path) + " must be between " + std::to_string(rule.least) + " and " +
                        std::to_string(rule.most) + ".");
    }
    if (rule.most != kNone && value > rule.most) {
      const std::string limit = std::to_string(rule.most) + std::string(unit);
      return refuse(rule, path,
                    rule.least != kNone ? name(rule, path) + " must be between " +
                                              std::to_string(rule.least) + " and " + limit + "."
                                        : name(rule, path) + " can have at most " + limit + ".");
    }
    return {};
  }

  Subject subject_;
};

}  // namespace

Result<void> check_shape(const pb::Message& request, Subject subject) {
  return Checker(subject).message(request, "");
}

}  // namespace berth::api
