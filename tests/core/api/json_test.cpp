// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "berth/model/ecs_operations.pb.h"
#include "core/api/json/decode.hpp"
#include "core/api/json/encode.hpp"
#include "core/model/records.hpp"

namespace berth::api::json {
namespace {

using model::RegisterTaskDefinitionRequest;
using testing::ElementsAre;
using testing::HasSubstr;

std::string error_of(std::string_view text) {
  RegisterTaskDefinitionRequest request;
  const auto decoded = decode(text, request);
  return decoded ? "" : decoded.error().message;
}

TEST(JsonDecode, ReadsScalarsListsMapsAndNestedMessages) {
  RegisterTaskDefinitionRequest request;
  const auto decoded = decode(
      R"({"family":"web","containerDefinitions":[{"name":"a","memory":128,"essential":false,
          "dockerLabels":{"k":"v","a":"b"},"command":["sh","-c","true"]}]})",
      request);
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(request.family(), "web");
  const auto& container = request.container_definitions(0);
  EXPECT_EQ(container.memory(), 128);
  EXPECT_TRUE(container.has_essential());
  EXPECT_FALSE(container.essential());
  EXPECT_FALSE(container.has_cpu());
  EXPECT_EQ(container.docker_labels().at("k"), "v");
  EXPECT_THAT(container.command(), ElementsAre("sh", "-c", "true"));
}

TEST(JsonDecode, TellsEmptyListsFromAbsentOnes) {
  RegisterTaskDefinitionRequest request;
  const auto decoded = decode(R"({"volumes":[],"containerDefinitions":[{"command":[]}]})", request);
  ASSERT_TRUE(decoded);
  EXPECT_THAT(decoded->present,
              ElementsAre("containerDefinitions", "containerDefinitions[0].command", "volumes"));
}

TEST(JsonDecode, CountsNullAsAbsent) {
  RegisterTaskDefinitionRequest request;
  ASSERT_TRUE(decode(R"({"family":null,"volumes":null})", request));
  EXPECT_FALSE(request.has_family());
}

TEST(JsonDecode, KeepsUnknownMembersAsWrittenWhereTheyStood) {
  RegisterTaskDefinitionRequest request;
  const auto decoded = decode(
      R"({"containerDefinitions":[{"name":"a"},{"name":"b","new":{"x":[1.50,12345678901234567890]}}],
          "future":true})",
      request);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->unknown_count, 2U);
  EXPECT_EQ(decoded->unknown_json(),
            R"({"containerDefinitions":[null,{"new":{"x":[1.50,12345678901234567890]}}],)"
            R"("future":true})");
}

TEST(JsonDecode, NamesThePathOfAWrongType) {
  EXPECT_EQ(error_of(R"({"containerDefinitions":[{"memory":"128"}]})"),
            "containerDefinitions[0].memory: STRING_VALUE can not be converted to an Integer");
  EXPECT_EQ(error_of(R"({"cpu":256})"), "cpu: NUMBER_VALUE can not be converted to a String");
  EXPECT_EQ(error_of(R"({"family":true})"), "family: TRUE_VALUE can not be converted to a String");
  EXPECT_EQ(error_of(R"({"family":["x"]})"), "family: Start of list found where not expected");
  EXPECT_EQ(error_of(R"({"volumes":{}})"), "volumes: Expected list or null");
  EXPECT_EQ(error_of(R"({"containerDefinitions":[{"dockerLabels":[]}]})"),
            "containerDefinitions[0].dockerLabels: Expected map or null");
  EXPECT_EQ(error_of(R"({"containerDefinitions":[null]})"),
            "containerDefinitions[0]: Expected structure or null");
  EXPECT_EQ(error_of(R"({"containerDefinitions":[{"essential":"yes"}]})"),
            "containerDefinitions[0].essential: STRING_VALUE can not be converted to a Boolean");
}

TEST(JsonDecode, RefusesNumbersThatDoNotFit) {
  for (const char* number :
       {"2147483648", "-2147483649", "1e99", "1e999", "0.5", "123456789012345678901234567890"}) {
    EXPECT_THAT(error_of(std::string(R"({"containerDefinitions":[{"cpu":)") + number + "}]}"),
                HasSubstr("containerDefinitions[0].cpu: The number is out of range"))
        << number;
  }
  RegisterTaskDefinitionRequest request;
  ASSERT_TRUE(decode(R"({"containerDefinitions":[{"cpu":1e2},{"cpu":128.0}]})", request));
  EXPECT_EQ(request.container_definitions(0).cpu(), 100);
  EXPECT_EQ(request.container_definitions(1).cpu(), 128);
}

TEST(JsonDecode, RefusesWhatIsNoJson) {
  for (const char* text : {"", "{", "[]", "null", "{}x", "{\"a\":NaN}", "{\"a\":01}", "{'a':1}",
                           "{\"family\":\"a\"", "{\"a\":1,}", "\"\xff\"", "{\"family\":\"\xc3\"}",
                           "{\"family\":\"\\ud800\"}", "{} {}", "// x\n{}"}) {
    EXPECT_NE(error_of(text), "") << text;
  }
}

TEST(JsonDecode, RefusesAMemberThatStandsThereTwice) {
  EXPECT_THAT(error_of(R"({"family":"a","family":"b"})"), HasSubstr("twice"));
  EXPECT_THAT(error_of(R"({"x":{"a":1,"\u0061":2}})"), HasSubstr("twice"));
}

TEST(JsonDecode, RefusesNulInStrings) {
  EXPECT_EQ(error_of(R"({"family":"a\u0000b"})"), "family: The character U+0000 is not allowed");
  EXPECT_THAT(error_of(R"({"containerDefinitions":[{"dockerLabels":{"k":"\u0000"}}]})"),
              HasSubstr("U+0000"));
}

TEST(JsonDecode, BoundsDepthAndNumberOfValues) {
  const std::string deep = "{\"x\":" + std::string(100'000, '[');
  EXPECT_NE(error_of(deep), "");
  std::string wide = "{\"x\":[";
  for (int i = 0; i < 200'000; ++i) wide += "0,";
  EXPECT_THAT(error_of(wide + "0]}"), HasSubstr("too many values"));
}

TEST(JsonEncode, LeavesOutWhatIsUnsetAndSortsMaps) {
  RegisterTaskDefinitionRequest request;
  request.set_family("web");
  auto& container = *request.add_container_definitions();
  container.set_cpu(0);
  (*container.mutable_docker_labels())["b"] = "2";
  (*container.mutable_docker_labels())["a"] = "1";
  EXPECT_EQ(
      encode(request),
      R"({"family":"web","containerDefinitions":[{"cpu":0,"dockerLabels":{"a":"1","b":"2"}}]})");
}

TEST(JsonEncode, WritesTimestampsAsExactSeconds) {
  ecs::Task task;
  task.mutable_created_at()->set_ms(1'431'444'514'347);
  task.mutable_started_at()->set_ms(1'431'444'514'000);
  task.mutable_stopped_at()->set_ms(1'431'444'514'050);
  EXPECT_EQ(encode(task),
            R"({"createdAt":1431444514.347,"startedAt":1431444514,"stoppedAt":1431444514.05})");
}

TEST(JsonEncode, EscapesAndMendsStrings) {
  ecs::KeyValuePair pair;
  pair.set_value("a\"b\\c\n\x01/\xC3\xA9");
  EXPECT_EQ(encode(pair), "{\"value\":\"a\\\"b\\\\c\\n\\u0001/\xC3\xA9\"}");
  std::string mended;
  write_string(mended, "x\xff\xed\xa0\x80z\xe2\x82");
  EXPECT_EQ(mended,
            "\"x\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz\xEF\xBF\xBD\xEF\xBF\xBD\"");
  EXPECT_TRUE(parse(mended));
}

TEST(JsonEncode, GivesUnknownMembersBackWhereTheyStood) {
  RegisterTaskDefinitionRequest request;
  const auto decoded = decode(
      R"({"family":"f","containerDefinitions":[{"name":"a"},{"name":"b","x":[1.0]}],"y":{"z":null}})",
      request);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(
      encode(request, {.unknown = &decoded->unknown, .at = &request}),
      R"({"family":"f","containerDefinitions":[{"name":"a"},{"name":"b","x":[1.0]}],"y":{"z":null}})");
}

TEST(JsonEncode, IsReadBackAsItWas) {
  RegisterTaskDefinitionRequest request;
  const std::string text =
      R"({"family":"f","containerDefinitions":[{"name":"a","image":"b","healthCheck":{"command":["CMD","x"],"retries":3}}],"ephemeralStorage":{"sizeInGiB":21}})";
  ASSERT_TRUE(decode(text, request));
  EXPECT_EQ(encode(request), text);
}

}  // namespace
}  // namespace berth::api::json
