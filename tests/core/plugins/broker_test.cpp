// SPDX-License-Identifier: Apache-2.0
#include "core/plugins/broker.hpp"

#include <gmock/gmock.h>

#include <deque>
#include <map>

#include "berth/plugin_abi.h"
#include "berth/v1/registry.pb.h"

namespace berth::plugins {
namespace {

// A plugin that keeps what it is asked until the test answers.
class FakePeer final : public Peer {
 public:
  explicit FakePeer(std::string name) : name_(std::move(name)) {}
  [[nodiscard]] const PluginName& name() const override { return name_; }
  std::uint64_t call(std::uint32_t method, std::string request, CallOptions, Done done) override {
    calls.push_back({method, std::move(request), std::move(done)});
    return calls.size();
  }
  void cancel(std::uint64_t) override {}

  struct Call {
    std::uint32_t method;
    std::string request;
    Done done;
  };
  std::deque<Call> calls;

 private:
  PluginName name_;
};

v1::Interface serving(std::initializer_list<const char*> hosts) {
  v1::Interface interface;
  for (const char* host : hosts) interface.add_registry_hosts(host);
  return interface;
}

class BrokerTest : public ::testing::Test {
 protected:
  static std::string question(const std::string& registry, std::uint64_t id = 7) {
    v1::MirrorsRequest request;
    request.set_registry(registry);
    v1::Ask ask;
    ask.set_ask_id(id);
    // A field of the future must arrive as it left.
    ask.mutable_mirrors()->set_request(request.SerializeAsString() + std::string("\xfa\x7c\x01x"));
    return ask.SerializeAsString();
  }
  v1::Answer answer(std::size_t index = 0) {
    v1::Answer answer;
    EXPECT_EQ(asker->calls.at(index).method, v1::METHOD_ANSWER);
    EXPECT_TRUE(answer.ParseFromString(asker->calls.at(index).request));
    return answer;
  }
  std::string words(std::size_t index = 0) {
    v1::Failure failure;
    EXPECT_TRUE(failure.ParseFromString(answer(index).response()));
    return failure.message();
  }

  Broker broker;
  std::shared_ptr<FakePeer> asker = std::make_shared<FakePeer>("ec2");
  std::shared_ptr<FakePeer> any = std::make_shared<FakePeer>("any");
  std::shared_ptr<FakePeer> ecr = std::make_shared<FakePeer>("ecr");
};

TEST_F(BrokerTest, AsksTheMostSpecificPluginAndPassesBytesOnUnread) {
  broker.add(any, serving({"*"}));
  broker.add(ecr, serving({"*.dkr.ecr.*.amazonaws.com"}));
  ASSERT_TRUE(broker.ask(asker, question("1.dkr.ecr.eu-west-1.amazonaws.com")));
  EXPECT_TRUE(any->calls.empty());
  ASSERT_EQ(ecr->calls.size(), 1U);
  EXPECT_EQ(ecr->calls[0].method, v1::METHOD_REGISTRY_MIRRORS);
  EXPECT_TRUE(ecr->calls[0].request.ends_with(std::string("\xfa\x7c\x01x")));
  ecr->calls[0].done(std::string("raw bytes"));
  EXPECT_EQ(answer().ask_id(), 7U);
  EXPECT_EQ(answer().status(), BERTH_OK);
  EXPECT_EQ(answer().response(), "raw bytes");
}

TEST_F(BrokerTest, AsksTheNextOneWhereAPluginDoesNotKnow) {
  broker.add(any, serving({"*"}));
  broker.add(ecr, serving({"r.example"}));
  ASSERT_TRUE(broker.ask(asker, question("r.example")));
  ecr->calls.at(0).done(fail(Errc::NotFound, "not mine"));
  ASSERT_EQ(any->calls.size(), 1U);
  any->calls[0].done(fail(Errc::NotFound, "not mine either"));
  EXPECT_EQ(answer().status(), BERTH_NOT_FOUND);
  EXPECT_EQ(words(), "not mine either");
}

TEST_F(BrokerTest, GivesARefusalBackWithoutAskingOthers) {
  broker.add(any, serving({"*"}));
  broker.add(ecr, serving({"r.example"}));
  ASSERT_TRUE(broker.ask(asker, question("r.example")));
  ecr->calls.at(0).done(fail(Errc::Denied, "no"));
  EXPECT_EQ(answer().status(), BERTH_DENIED);
  EXPECT_TRUE(any->calls.empty());
}

TEST_F(BrokerTest, TellsTheAskerWhenToAskAgain) {
  broker.add(any, serving({"*"}));
  ASSERT_TRUE(broker.ask(asker, question("r.example")));
  Error busy{Errc::Unavailable, "busy"};
  busy.retry_after = std::chrono::seconds(2);
  any->calls.at(0).done(tl::unexpected(busy));
  v1::Failure failure;
  ASSERT_TRUE(failure.ParseFromString(answer().response()));
  EXPECT_EQ(failure.retry_after_ms(), 2000U);
}

TEST_F(BrokerTest, SaysWhichRegistryNobodyServes) {
  ASSERT_TRUE(broker.ask(asker, question("quay.example:5000")));
  EXPECT_EQ(answer().status(), BERTH_NOT_FOUND);
  EXPECT_THAT(words(), ::testing::HasSubstr("quay.example:5000"));
}

TEST_F(BrokerTest, ForgetsARegistryPluginThatHasGone) {
  broker.add(any, serving({"*"}));
  any.reset();
  ASSERT_TRUE(broker.ask(asker, question("x")));
  EXPECT_EQ(answer().status(), BERTH_NOT_FOUND);
  broker.add(ecr, serving({"*"}));
  broker.remove(ecr->name());
  ASSERT_TRUE(broker.ask(asker, question("x")));
  EXPECT_EQ(answer(1).status(), BERTH_NOT_FOUND);
}

TEST_F(BrokerTest, BearsAnAskerThatGoesBeforeTheAnswer) {
  broker.add(any, serving({"*"}));
  ASSERT_TRUE(broker.ask(asker, question("x")));
  asker.reset();
  any->calls.at(0).done(std::string());
}

TEST_F(BrokerTest, BoundsTheOpenQuestionsOfOneAsker) {
  Broker narrow({.open_asks = 2});
  narrow.add(any, serving({"*"}));
  for (std::uint64_t id = 1; id <= 3; ++id) ASSERT_TRUE(narrow.ask(asker, question("x", id)));
  ASSERT_EQ(asker->calls.size(), 1U);
  EXPECT_EQ(answer().ask_id(), 3U);
  EXPECT_EQ(answer().status(), BERTH_UNAVAILABLE);
  any->calls.at(0).done(std::string());
  any->calls.clear();  // the call holds the question
  ASSERT_TRUE(narrow.ask(asker, question("x", 4)));
  EXPECT_EQ(any->calls.size(), 1U);
}

TEST_F(BrokerTest, RefusesWhatIsNoQuestion) {
  EXPECT_FALSE(broker.ask(asker, "\xff"));
  v1::Ask empty;
  empty.set_ask_id(3);
  ASSERT_TRUE(broker.ask(asker, empty.SerializeAsString()));
  EXPECT_EQ(answer().status(), BERTH_UNIMPLEMENTED);
  empty.mutable_authorize()->set_request("\xff");
  ASSERT_TRUE(broker.ask(asker, empty.SerializeAsString()));
  EXPECT_EQ(answer(1).status(), BERTH_INVALID);
}

TEST(BrokerPatterns, MatchRunsOfCharactersInAnyCase) {
  EXPECT_TRUE(matches("*", ""));
  EXPECT_TRUE(matches("docker.io", "Docker.IO"));
  EXPECT_TRUE(matches("*.dkr.ecr.*.amazonaws.com", "1.dkr.ecr.x.amazonaws.com"));
  EXPECT_TRUE(matches("127.0.0.1:*", "127.0.0.1:5000"));
  EXPECT_TRUE(matches("a*b*c", "aXbXbc"));
  EXPECT_FALSE(matches("a*b", "ac"));
  EXPECT_FALSE(matches("docker.io", "docker.io:443"));
  EXPECT_FALSE(matches("", "x"));
}

class RoleQuestions : public BrokerTest {
 protected:
  static constexpr const char* kRole = "arn:aws:iam::000000000000:role/app";
  static std::string of_task(const std::string& task_id) {
    v1::TaskCredentialsRequest request;
    request.set_task_id(task_id);
    request.set_node_id("node");
    request.set_role(v1::TaskCredentialsRequest::ROLE_TASK);
    v1::Ask ask;
    ask.set_ask_id(7);
    ask.mutable_task_credentials()->set_request(request.SerializeAsString());
    return ask.SerializeAsString();
  }
  static std::string by_name(const std::string& arn) {
    v1::AssumeRoleRequest request;
    request.set_role_arn(arn);
    v1::Ask ask;
    ask.set_ask_id(7);
    ask.mutable_assume_role()->set_request(request.SerializeAsString());
    return ask.SerializeAsString();
  }
  Broker with_roles{{.role_of = [this](const PluginName& asked_by, const v1::TaskCredentialsRequest& request) -> Result<std::string> {
    asker_seen = asked_by.str();
    if (request.task_id() != "mine" || request.node_id() != "node") return fail(Errc::NotFound, "no such task runs there");
    return std::string(kRole);
  }}};
  std::string asker_seen;
};

TEST_F(RoleQuestions, NameATaskAndTheCoreSaysWhichRoleItHas) {
  with_roles.add_credentials(any);
  with_roles.add_credentials(ecr);
  ASSERT_TRUE(with_roles.ask(asker, of_task("mine")));
  EXPECT_EQ(asker_seen, "ec2");
  ASSERT_EQ(any->calls.size(), 1U);
  EXPECT_EQ(any->calls[0].method, v1::METHOD_CREDENTIALS_ASSUME_ROLE);
  v1::AssumeRoleRequest request;
  ASSERT_TRUE(request.ParseFromString(any->calls[0].request));
  EXPECT_EQ(request.role_arn(), kRole);
  EXPECT_EQ(request.session_name(), "mine");
  any->calls[0].done(fail(Errc::NotFound, "not mine"));
  ASSERT_EQ(ecr->calls.size(), 1U) << "the next one";
  ecr->calls[0].done(std::string("credentials"));
  EXPECT_EQ(answer().status(), BERTH_OK);
  EXPECT_EQ(answer().response(), "credentials");
}

TEST_F(RoleQuestions, OfATaskOfSomebodyElseAreRefused) {
  with_roles.add_credentials(any);
  ASSERT_TRUE(with_roles.ask(asker, of_task("another's")));
  EXPECT_EQ(answer().status(), BERTH_NOT_FOUND);
  EXPECT_TRUE(any->calls.empty());
}

TEST_F(RoleQuestions, SayThatNobodyKnowsTheRole) {
  ASSERT_TRUE(with_roles.ask(asker, of_task("mine")));
  EXPECT_EQ(answer().status(), BERTH_NOT_FOUND);
  EXPECT_THAT(words(), ::testing::HasSubstr(kRole));
}

TEST_F(RoleQuestions, MayNameARoleWhereARegistryAsksAlone) {
  with_roles.add_credentials(any);
  ASSERT_TRUE(with_roles.ask(asker, by_name(kRole)));
  EXPECT_EQ(answer().status(), BERTH_DENIED);
  EXPECT_TRUE(any->calls.empty());
  with_roles.add(ecr, serving({"*"}));
  ASSERT_TRUE(with_roles.ask(ecr, by_name(kRole)));
  EXPECT_EQ(any->calls.size(), 1U);
}

}  // namespace
}  // namespace berth::plugins
