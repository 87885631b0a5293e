// SPDX-License-Identifier: Apache-2.0
#include "core/model/stored.hpp"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <gtest/gtest.h>

#include "berth/model/stored.pb.h"

namespace berth::stored {
namespace {

// Fills about half of a message's fields, of any type, down to a depth.
void fill(google::protobuf::Message& message, Rng& rng, int depth) {
  using google::protobuf::FieldDescriptor;
  const auto* type = message.GetDescriptor();
  const auto* to = message.GetReflection();
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    if (rng.next() % 2 == 0 || field->is_map()) continue;
    const bool many = field->is_repeated();
    const std::string text = "t" + std::to_string(rng.next() % 1000);
    const auto number = static_cast<std::int32_t>(rng.next() % 100000);
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        many ? to->AddString(&message, field, text) : to->SetString(&message, field, text);
        break;
      case FieldDescriptor::CPPTYPE_INT32:
        many ? to->AddInt32(&message, field, number) : to->SetInt32(&message, field, number);
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        many ? to->AddInt64(&message, field, number) : to->SetInt64(&message, field, number);
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        if (!many) to->SetBool(&message, field, true);
        break;
      case FieldDescriptor::CPPTYPE_MESSAGE:
        if (depth == 0) break;
        fill(*(many ? to->AddMessage(&message, field) : to->MutableMessage(&message, field)), rng,
             depth - 1);
        break;
      default:
        break;
    }
  }
}

TaskDefinitionPtr definition() {
  TaskDefinition record;
  record.id = {FamilyName("web"), 7};
  return std::make_shared<const TaskDefinition>(std::move(record));
}

TEST(Stored, GivesEveryTaskBackAsItWas) {
  SeededRng rng(3);
  const TaskDefinitionPtr shared = definition();
  const auto find = [&](const DefinitionId& id) { return id.revision == 7 ? shared : nullptr; };
  for (int round = 0; round < 300; ++round) {
    model::StoredTask message;
    fill(message, rng, 4);
    message.set_id(rng.hex_id());
    message.set_family("web");
    message.set_revision(7);
    message.set_last_status(1 + static_cast<int>(rng.next() % 8));
    message.set_stop_code(static_cast<int>(rng.next() % 7));
    message.mutable_overrides();
    message.mutable_requirement();
    message.mutable_allocation();
    message.mutable_created_at();
    message.clear_availability_zone();  // not kept: it is the report's or the node's
    if (message.has_report()) message.mutable_report()->clear_pulls();
    const auto task = decode_task(message.SerializeAsString(), find);
    ASSERT_TRUE(task) << task.error().message;
    EXPECT_EQ(task->definition, shared);
    model::StoredTask again;
    ASSERT_TRUE(again.ParseFromString(encode(*task)));
    ASSERT_EQ(again.DebugString(), message.DebugString());
    ASSERT_EQ(encode(*decode_task(encode(*task), find)), encode(*task));
  }
}

TEST(Stored, GivesEveryClusterDefinitionAndInstanceBackAsItWas) {
  SeededRng rng(4);
  for (int round = 0; round < 200; ++round) {
    model::StoredCluster cluster;
    fill(cluster, rng, 4);
    cluster.set_name("c");
    model::StoredCluster cluster_again;
    ASSERT_TRUE(
        cluster_again.ParseFromString(encode(*decode_cluster(cluster.SerializeAsString()))));
    ASSERT_EQ(cluster_again.DebugString(), cluster.DebugString());

    model::StoredDefinition definition;
    fill(definition, rng, 5);
    definition.mutable_definition()->set_family("f");
    definition.mutable_definition()->set_revision(1);
    model::StoredDefinition definition_again;
    ASSERT_TRUE(definition_again.ParseFromString(
        encode(*decode_definition(definition.SerializeAsString()))));
    ASSERT_EQ(definition_again.DebugString(), definition.DebugString());

    model::StoredInstance instance;
    fill(instance, rng, 4);
    instance.set_id(rng.hex_id());
    instance.set_status("DRAINING");
    instance.mutable_registered_at();
    instance.mutable_node()->set_cluster("c");
    instance.mutable_node()->set_connected(true);
    model::StoredInstance instance_again;
    ASSERT_TRUE(
        instance_again.ParseFromString(encode(*decode_instance(instance.SerializeAsString()))));
    instance.mutable_node()->set_connected(false);
    ASSERT_EQ(instance_again.DebugString(), instance.DebugString()) << "but for the connection";
  }
}

TEST(Stored, GivesTokensAndFamiliesBack) {
  ClientToken token;
  token.key = "RunTask/default/t";
  token.request_digest = std::string("\0\xff", 2);
  token.tasks = {TaskId("a"), TaskId("b")};
  token.failures.emplace_back().set_reason("AGENT");
  token.made_at = Instant(milliseconds(5));
  const auto again = decode_token(token.key, encode(token));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->request_digest, token.request_digest);
  EXPECT_EQ(again->tasks, token.tasks);
  EXPECT_EQ(again->failures.at(0).reason(), "AGENT");
  EXPECT_EQ(again->made_at, token.made_at);
  EXPECT_EQ(decode_family(encode_family(FamilyName("web"), 12))->last_revision, 12);
}

TEST(Stored, OrdersRevisionsByTheirNumber) {
  EXPECT_LT(key_of({FamilyName("web"), 9}), key_of({FamilyName("web"), 10}));
}

TEST(Stored, RefusesWhatIsNoRecord) {
  const auto none = [](const DefinitionId&) { return TaskDefinitionPtr(); };
  model::StoredTask orphan;
  orphan.set_id("a");
  orphan.set_last_status(4);
  EXPECT_NE(decode_task(orphan.SerializeAsString(), none).error().message.find("definition"),
            std::string::npos);
  orphan.set_last_status(99);
  EXPECT_EQ(decode_task(orphan.SerializeAsString(), none).error().code, Errc::Internal);
  EXPECT_FALSE(decode_task("\xff", none));
  for (const std::string& bytes : {std::string("\xff\xff"), std::string()}) {
    EXPECT_FALSE(decode_cluster(bytes));
    EXPECT_FALSE(decode_definition(bytes));
    EXPECT_FALSE(decode_instance(bytes));
    EXPECT_FALSE(decode_family(bytes));
  }
}

}  // namespace
}  // namespace berth::stored
