// SPDX-License-Identifier: Apache-2.0
#include "core/api/json/encode.hpp"

#include <google/protobuf/message.h>

#include <charconv>
#include <map>

#include "core/model/error.hpp"

namespace berth::api::json {
namespace {

namespace pb = google::protobuf;
using Kind = Value::Kind;
using Type = pb::FieldDescriptor::CppType;

constexpr std::string_view kTimestamp = "berth.v1.ecs.Timestamp";

class Encoder {
 public:
  Encoder(std::string& out, const EncodeOptions& options) : out_(out), options_(options) {}

  void object(const pb::Message& message, const Value* unknown) {
    if (&message == options_.at) unknown = options_.unknown;
    out_ += '{';
    first_ = true;
    const pb::Descriptor& type = *message.GetDescriptor();
    for (int i = 0; i < type.field_count(); ++i) field(message, *type.field(i), unknown);
    if (unknown != nullptr) added(type, *unknown);
    out_ += '}';
    first_ = false;
  }

 private:
  void name(const std::string& text) {
    if (!first_) out_ += ',';
    first_ = false;
    write_string(out_, text);
    out_ += ':';
  }

  // What the model does not know. A member that a newer model has learnt since is written from the
  // message.
  void added(const pb::Descriptor& type, const Value& unknown) {
    for (const Member& member : unknown.members) {
      if (knows(type, member.name)) continue;
      name(member.name);
      write(out_, member.value);
    }
  }
  static bool knows(const pb::Descriptor& type, const std::string& name) {
    for (int i = 0; i < type.field_count(); ++i) {
      if (type.field(i)->json_name() == name) return true;
    }
    return false;
  }

  void field(const pb::Message& message, const pb::FieldDescriptor& field, const Value* unknown) {
    const pb::Reflection& reflection = *message.GetReflection();
    if (field.is_repeated()) {
      const int size = reflection.FieldSize(message, &field);
      const bool shown =
          size > 0 || (options_.show_empty != nullptr && options_.show_empty(message, field));
      if (!shown) return;
      name(field.json_name());
      if (field.is_map()) {
        map(message, field, size);
      } else {
        list(message, field, size, unknown != nullptr ? unknown->find(field.json_name()) : nullptr);
      }
      return;
    }
    if (!reflection.HasField(message, &field)) return;
    name(field.json_name());
    if (field.cpp_type() != Type::CPPTYPE_MESSAGE) {
      scalar(message, field, -1);
      return;
    }
    const pb::Message& below = reflection.GetMessage(message, &field);
    if (field.message_type()->full_name() == kTimestamp) {
      timestamp(below);
    } else {
      object(below, unknown != nullptr ? unknown->find(field.json_name()) : nullptr);
    }
  }

  void list(const pb::Message& message, const pb::FieldDescriptor& field, int size,
            const Value* unknown) {
    out_ += '[';
    for (int i = 0; i < size; ++i) {
      if (i > 0) out_ += ',';
      if (field.cpp_type() != Type::CPPTYPE_MESSAGE) {
        scalar(message, field, i);
        continue;
      }
      const bool has = unknown != nullptr && static_cast<std::size_t>(i) < unknown->items.size();
      const Value* below = has ? &unknown->items[static_cast<std::size_t>(i)] : nullptr;
      object(message.GetReflection()->GetRepeatedMessage(message, &field, i), below);
    }
    out_ += ']';
  }

  void map(const pb::Message& message, const pb::FieldDescriptor& field, int size) {
    std::map<std::string, std::string> sorted;
    for (int i = 0; i < size; ++i) {
      const pb::Message& entry = message.GetReflection()->GetRepeatedMessage(message, &field, i);
      const pb::Descriptor& type = *entry.GetDescriptor();
      sorted[entry.GetReflection()->GetString(entry, type.map_key())] =
          entry.GetReflection()->GetString(entry, type.map_value());
    }
    out_ += '{';
    first_ = true;
    for (const auto& [key, value] : sorted) {
      name(key);
      write_string(out_, value);
    }
    out_ += '}';
    first_ = false;
  }

  // `index` -1: the field is not repeated.
  void scalar(const pb::Message& message, const pb::FieldDescriptor& field, int index) {
    const pb::Reflection& r = *message.GetReflection();
    const bool one = index < 0;
    switch (field.cpp_type()) {
      case Type::CPPTYPE_STRING:
        write_string(
            out_, one ? r.GetString(message, &field) : r.GetRepeatedString(message, &field, index));
        return;
      case Type::CPPTYPE_BOOL:
        out_ += (one ? r.GetBool(message, &field) : r.GetRepeatedBool(message, &field, index))
                    ? "true"
                    : "false";
        return;
      case Type::CPPTYPE_INT32:
        out_ += std::to_string(one ? r.GetInt32(message, &field)
                                   : r.GetRepeatedInt32(message, &field, index));
        return;
      case Type::CPPTYPE_INT64:
        out_ += std::to_string(one ? r.GetInt64(message, &field)
                                   : r.GetRepeatedInt64(message, &field, index));
        return;
      case Type::CPPTYPE_DOUBLE:
        real(one ? r.GetDouble(message, &field) : r.GetRepeatedDouble(message, &field, index));
        return;
      default:
        BERTH_ASSERT(false && "a type that the API model does not have");
    }
  }

  void real(double value) {
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, value).ptr;
    out_.append(text, end);
  }

  // Seconds with a millisecond fraction, exactly: a double would show its rounding.
  void timestamp(const pb::Message& message) {
    const pb::FieldDescriptor* field = message.GetDescriptor()->FindFieldByName("ms");
    std::int64_t ms = message.GetReflection()->GetInt64(message, field);
    if (ms < 0) {
      out_ += '-';
      ms = -ms;
    }
    out_ += std::to_string(ms / 1000);
    if (ms % 1000 == 0) return;
    std::string fraction = std::to_string(1000 + ms % 1000);
    fraction[0] = '.';
    while (fraction.back() == '0') fraction.pop_back();
    out_ += fraction;
  }

  std::string& out_;
  const EncodeOptions& options_;
  bool first_ = true;  // no member was written yet in the object that is open
};

}  // namespace

std::string encode(const pb::Message& message, const EncodeOptions& options) {
  std::string out;
  Encoder(out, options).object(message, nullptr);
  return out;
}

}  // namespace berth::api::json
