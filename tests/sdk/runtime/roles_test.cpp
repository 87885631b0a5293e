// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/roles/roles.hpp"

#include <gtest/gtest.h>

namespace berth::runtime {
namespace {

constexpr auto kTask = v1::TaskCredentialsRequest::ROLE_TASK;
constexpr auto kExecution = v1::TaskCredentialsRequest::ROLE_EXECUTION;
constexpr std::int64_t kMinute = 60'000;

// A control plane that answers when it is told to.
struct Asked {
  v1::TaskCredentialsRequest request;
  Roles::Answer answer;
};

class RolesTest : public ::testing::Test {
 protected:
  v1::RoleCredentials credentials(const std::string& key, std::int64_t expires_ms) {
    v1::RoleCredentials out;
    out.set_access_key_id(key);
    out.set_secret_access_key("secret");
    out.set_expires_at_ms(expires_ms);
    return out;
  }
  void get(Roles::Role role = kTask) {
    roles_.get("task", role, [this](const sdk::Result<v1::RoleCredentials>& got) {
      told_.push_back(got ? got->access_key_id() : "error: " + got.error().message);
      if (got) expires_ = got->expires_at_ms();
    });
  }
  std::int64_t now_ = 1'000 * kMinute;
  std::vector<Asked> asked_;
  std::vector<std::string> told_;
  std::int64_t expires_ = 0;
  Roles roles_{[this](const v1::TaskCredentialsRequest& request, Roles::Answer answer) {
                 asked_.push_back({request, std::move(answer)});
               },
               [this] { return now_; }};
};

TEST_F(RolesTest, AskOnceForAllThatWait) {
  get();
  get();
  ASSERT_EQ(asked_.size(), 1U);
  EXPECT_EQ(asked_[0].request.task_id(), "task");
  asked_[0].answer(credentials("one", now_ + 60 * kMinute));
  EXPECT_EQ(told_, (std::vector<std::string>{"one", "one"}));
  get();
  EXPECT_EQ(asked_.size(), 1U) << "these are still good";
}

TEST_F(RolesTest, KeepTheRolesOfATaskApart) {
  get(kTask);
  get(kExecution);
  ASSERT_EQ(asked_.size(), 2U);
  asked_[1].answer(credentials("execution", now_ + 60 * kMinute));
  asked_[0].answer(credentials("task", now_ + 60 * kMinute));
  EXPECT_EQ(told_, (std::vector<std::string>{"execution", "task"}));
}

TEST_F(RolesTest, RenewBeforeTheEnd) {
  get();
  asked_[0].answer(credentials("one", now_ + 60 * kMinute));
  now_ += 44 * kMinute;
  get();
  EXPECT_EQ(asked_.size(), 1U);
  now_ += 2 * kMinute;
  get();
  get();
  ASSERT_EQ(asked_.size(), 2U);
  EXPECT_EQ(told_.back(), "one") << "good until it ends, so nobody waits";
  asked_[1].answer(credentials("two", now_ + 60 * kMinute));
  get();
  EXPECT_EQ(told_.back(), "two");
  EXPECT_EQ(asked_.size(), 2U);
}

TEST_F(RolesTest, GiveTheOldOnesWhileTheControlPlaneIsAwayUntilTheyEnd) {
  get();
  asked_[0].answer(credentials("one", now_ + 60 * kMinute));
  now_ += 50 * kMinute;
  get();
  EXPECT_EQ(told_.size(), 2U) << "at once: the control plane has not answered";
  asked_[1].answer(sdk::fail(BERTH_UNAVAILABLE, "away"));
  EXPECT_EQ(told_.back(), "one");
  now_ += 11 * kMinute;
  get();
  asked_[2].answer(sdk::fail(BERTH_UNAVAILABLE, "away"));
  EXPECT_EQ(told_.back(), "error: away");
}

TEST_F(RolesTest, GiveNothingOfARoleThatHasBeenTakenAway) {
  get();
  asked_[0].answer(credentials("one", now_ + 60 * kMinute));
  now_ += 50 * kMinute;
  get();
  asked_[1].answer(sdk::fail(BERTH_NOT_FOUND, "no such role"));
  get();
  asked_[2].answer(sdk::fail(BERTH_NOT_FOUND, "no such role"));
  EXPECT_EQ(told_.back(), "error: no such role");
}

TEST_F(RolesTest, GiveLastingKeysAnEndAndLookAtThemAnew) {
  get();
  asked_[0].answer(credentials("lasting", 0));
  EXPECT_EQ(expires_, now_ + 60 * kMinute);
  now_ += 6 * kMinute;
  get();
  ASSERT_EQ(asked_.size(), 2U);
  asked_[1].answer(credentials("replaced", 0));
  get();
  EXPECT_EQ(told_.back(), "replaced");
}

TEST_F(RolesTest, AnswerWhoWaitsForATaskThatEnds) {
  get();
  roles_.forget("task");
  EXPECT_EQ(told_, (std::vector<std::string>{"error: the task has ended"}));
  asked_[0].answer(credentials("late", 0));
  EXPECT_EQ(told_.size(), 1U);
}

TEST(Roles, WithoutAControlPlaneHaveNone) {
  Roles roles{Roles::Source{}};
  const auto got = roles.wait("task", kTask, {});
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().status, BERTH_UNAVAILABLE);
}

}  // namespace
}  // namespace berth::runtime
