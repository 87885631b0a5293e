// SPDX-License-Identifier: Apache-2.0
#include "core/placement/query.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace berth::placement {
namespace {

struct Host final : NodeFacts {
  std::map<std::string, std::string, std::less<>> attributes;
  bool connected = true;
  std::string version = "1.44.2";
  std::string instance = "i-abcd1234";
  std::int64_t registered = 1529360908000;  // 2018-06-18T22:28:28Z
  std::int64_t running = 3;
  std::vector<std::string> groups;

  std::optional<std::string_view> attribute(std::string_view name) const override {
    const auto at = attributes.find(name);
    return at == attributes.end() ? std::nullopt : std::optional<std::string_view>(at->second);
  }
  bool agent_connected() const override { return connected; }
  std::string_view agent_version() const override { return version; }
  std::string_view ec2_instance_id() const override { return instance; }
  std::int64_t registered_at_ms() const override { return registered; }
  std::int64_t running_tasks() const override { return running; }
  bool any_group(const GroupTest& test) const override {
    for (const std::string& group : groups) {
      if (test(group)) return true;
    }
    return false;
  }
};

class QueryTest : public ::testing::Test {
 protected:
  QueryTest() {
    host.attributes = {{"stack", "prod"},
                       {"ecs.instance-type", "t2.small"},
                       {"ecs.availability-zone", "us-east-1a"},
                       {"cores", "16"},
                       {"driver", "535.129.3"},
                       {"com.amazonaws.ecs.capability.privileged-container", ""},
                       {"team/a_b\\c", "x y"}};
    host.groups = {"service:production", "family:web"};
  }
  bool holds(std::string_view text) {
    const auto query = Query::parse(text);
    EXPECT_TRUE(query.has_value()) << text << ": " << query.error().message;
    return query && query->matches(host);
  }
  void refused(std::string_view text, std::size_t position, std::string_view message) {
    const auto query = Query::parse(text);
    ASSERT_FALSE(query.has_value()) << text;
    EXPECT_EQ(query.error().position, position) << text << ": " << query.error().message;
    EXPECT_NE(query.error().message.find(message), std::string::npos) << query.error().message;
  }
  Host host;
};

TEST_F(QueryTest, ComparesAttributesAsText) {
  EXPECT_TRUE(holds("attribute:stack == prod"));
  EXPECT_TRUE(holds("attribute:stack==prod"));
  EXPECT_TRUE(holds("attribute:stack equals 'prod'"));
  EXPECT_FALSE(holds("attribute:stack != prod"));
  EXPECT_TRUE(holds("attribute:stack not_equals \"test\""));
  EXPECT_TRUE(holds("attribute:ecs.instance-type =~ t2.*"));
  EXPECT_TRUE(holds("attribute:ecs.instance-type matches g2.*|t2.*"));
  EXPECT_TRUE(holds("attribute:ecs.instance-type =~ t2.(micro|small)"));
  EXPECT_FALSE(holds("attribute:ecs.instance-type !~ t2.*"));
  EXPECT_TRUE(holds("attribute:ecs.instance-type not_matches g.*"));
  EXPECT_TRUE(holds("attribute:ecs.availability-zone in [us-east-1a, us-east-1b]"));
  EXPECT_TRUE(holds("attribute:ecs.availability-zone in ['us-east-1b','us-east-1a']"));
  EXPECT_FALSE(holds("attribute:ecs.availability-zone !in [us-east-1a]"));
  EXPECT_TRUE(holds("attribute:ecs.availability-zone not_in[us-east-1b]"));
  EXPECT_TRUE(holds("attribute:team/a_b\\c == 'x y'"));
}

TEST_F(QueryTest, HoldsOnAMissingAttributeOnlyForNotExists) {
  for (const char* text : {"attribute:none == x", "attribute:none != x", "attribute:none in [x]",
                           "attribute:none !in [x]", "attribute:none =~ .*", "attribute:none !~ x",
                           "attribute:none > 1", "attribute:none exists"}) {
    EXPECT_FALSE(holds(text)) << text;
  }
  EXPECT_TRUE(holds("attribute:none !exists"));
  EXPECT_TRUE(holds("attribute:none not_exists"));
  EXPECT_TRUE(holds("attribute:com.amazonaws.ecs.capability.privileged-container exists"));
  EXPECT_FALSE(holds("attribute:stack !exists"));
}

TEST_F(QueryTest, OrdersNumbersAsNumbersAndVersionsByParts) {
  EXPECT_TRUE(holds("attribute:cores > 9"));
  EXPECT_TRUE(holds("attribute:cores greater_than_equal 16"));
  EXPECT_TRUE(holds("attribute:cores < 16.5"));
  EXPECT_FALSE(holds("attribute:cores less_than 16"));
  EXPECT_TRUE(holds("attribute:cores > -1"));
  EXPECT_TRUE(holds("attribute:driver >= 535.13"));
  EXPECT_TRUE(holds("attribute:driver less_than_equal 535.129.3"));
  EXPECT_FALSE(holds("attribute:stack > a"));  // no order between words
}

TEST_F(QueryTest, KnowsTheOtherSubjects) {
  EXPECT_TRUE(holds("agentConnected == true"));
  EXPECT_FALSE(holds("agentConnected != true"));
  EXPECT_TRUE(holds("agentConnected in [true, false]"));
  EXPECT_TRUE(holds("agentVersion > 1.9"));
  EXPECT_TRUE(holds("agentVersion == 1.44.2"));
  EXPECT_TRUE(holds("agentVersion != 1.44"));
  EXPECT_TRUE(holds("ec2InstanceId == 'i-abcd1234'"));
  EXPECT_TRUE(holds("ec2InstanceId in [i-1, i-abcd1234]"));
  EXPECT_TRUE(holds("ec2InstanceId =~ i-[a-d0-9]+"));
  EXPECT_TRUE(holds("runningTasksCount == 3"));
  EXPECT_TRUE(holds("runningTasksCount <= 3"));
  EXPECT_FALSE(holds("runningTasksCount > 3"));
}

TEST_F(QueryTest, MatchesNothingWhereAHostHasNoVersionOrInstance) {
  host.version = "";
  host.instance = "";
  EXPECT_FALSE(holds("agentVersion != 1.0"));
  EXPECT_FALSE(holds("ec2InstanceId != i-1"));
}

TEST_F(QueryTest, ReadsDatesInEachForm) {
  for (const char* same :
       {"2018-06-18T22:28:28+00:00", "2018-06-18T22:28:28Z", "2018-06-18T22:28:28",
        "2018-06-18T22:28:28.000Z", "2018-06-19T00:28:28+02:00", "2018-06-18T17:28:28-05:00"}) {
    EXPECT_TRUE(holds(std::string("registeredAt == ") + same)) << same;
  }
  EXPECT_TRUE(holds("registeredAt > 2018-06-18"));
  EXPECT_TRUE(holds("registeredAt < 2018-06-19"));
  EXPECT_TRUE(holds("registeredAt < 2018-06-18T22:28:28.001"));
}

TEST_F(QueryTest, AsksWhetherAnyTaskIsOfAGroup) {
  EXPECT_TRUE(holds("task:group == service:production"));
  EXPECT_FALSE(holds("not(task:group == service:production)"));
  EXPECT_TRUE(holds("not(task:group == database)"));
  EXPECT_TRUE(holds("task:group in [database, family:web]"));
  EXPECT_TRUE(holds("task:group =~ service:.*"));
  EXPECT_FALSE(holds("task:group != family:web"));  // negative operators: no task is
  EXPECT_TRUE(holds("task:group !in [database]"));
}

TEST_F(QueryTest, BindsNotBeforeAndBeforeOr) {
  const std::string yes = "attribute:stack == prod";
  const std::string no = "attribute:stack == test";
  EXPECT_TRUE(holds(yes + " or " + no + " and " + no));
  EXPECT_FALSE(holds("(" + yes + " or " + no + ") and " + no));
  EXPECT_TRUE(holds(yes + " || " + no + " && " + no));
  EXPECT_TRUE(holds("not " + no + " and " + yes));
  EXPECT_TRUE(holds("!(" + no + ") && " + yes));
  EXPECT_TRUE(holds("!" + no));
  EXPECT_TRUE(holds("not not " + yes));
  EXPECT_TRUE(holds("  ( (" + yes + ")and(" + yes + ") )  "));
  EXPECT_TRUE(holds("attribute:stack==prod&&attribute:cores==16||attribute:none==x"));
}

TEST_F(QueryTest, SaysWhereAnExpressionIsWrong) {
  refused("", 0, "expected a subject");
  refused("attribute:stack", 15, "expected an operator after 'attribute:stack'");
  refused("attribute: == x", 0, "'attribute:' is no subject");
  refused("stack == prod", 0, "'stack' is no subject");
  refused("attribute:stack = prod", 16, "expected an operator");
  refused("attribute:stack == ", 19, "expected a value");
  refused("attribute:stack == prod test", 24, "expected 'and', 'or' or the end");
  refused("attribute:stack == prod and", 27, "expected a subject");
  refused("(attribute:stack == prod", 0, "this '(' has no ')'");
  refused("attribute:stack == prod)", 23, "expected 'and', 'or' or the end");
  refused("attribute:stack == 'prod", 19, "this quotation mark has no other");
  refused("attribute:stack == (prod", 19, "put the value in quotation marks");
  refused("attribute:stack in prod", 19, "expected a list");
  refused("attribute:stack in [a, b", 24, "expected ',' or ']'");
  refused("attribute:stack in []", 20, "expected a value");
  refused("attribute:stack =~ 'a(b'", 23, "a group without its ')'");
  refused("attribute:stack =~ a**", 21, "a second repetition mark");
  refused("agentConnected > true", 15, "'agentConnected' does not take the operator '>'");
  refused("agentConnected == maybe", 18, "'maybe' is not true or false");
  refused("agentVersion >= new", 16, "'new' is not a version");
  refused("runningTasksCount < many", 20, "'many' is not a whole number");
  refused("registeredAt > 2018-13-01", 15, "'2018-13-01' is not a date");
  refused("registeredAt > 2018-06-18T25:00:00", 15, "is not a date");
  refused("registeredAt exists", 13, "does not take the operator 'exists'");
  refused(std::string(2000, '('), 101, "nested more than 100 deep");
  refused(std::string(2000, '!') + "attribute:a == b", 101, "nested more than 100 deep");
}

TEST_F(QueryTest, KnowsWhetherItsAnswerChangesWithTasks) {
  EXPECT_FALSE(Query::parse("attribute:a == b and agentConnected == true")->depends_on_tasks());
  EXPECT_TRUE(Query::parse("attribute:a == b or runningTasksCount == 0")->depends_on_tasks());
  EXPECT_TRUE(Query::parse("not(task:group == a)")->depends_on_tasks());
}

RC_GTEST_PROP(Query, SurvivesAnyText, ()) {
  const auto piece = rc::gen::element<std::string>(
      "attribute:a", "task:group", "runningTasksCount", "registeredAt", " ", " == ", " != ", " in ",
      "[", "]", ",", "(", ")", "!", "not ", " and ", " or ", "&&", "||", " =~ ", "x", "'", "\"",
      "3", "2018-06-18", "\\", "*", " exists");
  std::string text;
  for (const std::string& part : *rc::gen::container<std::vector<std::string>>(piece)) text += part;
  text += *rc::gen::arbitrary<std::string>();
  const auto query = Query::parse(text);
  if (query) {
    static_cast<void>(query->matches(Host{}));
  } else {
    RC_ASSERT(query.error().position <= text.size());
    RC_ASSERT(!query.error().message.empty());
  }
}

}  // namespace
}  // namespace berth::placement
