// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/image/cleaner.hpp"

#include "tests/sdk/runtime/image/pulling.hpp"

namespace berth::runtime::image {
namespace {

class Cleaning : public Pulling {
 protected:
  void SetUp() override {
    Pulling::SetUp();
    for (const char* name : {"a", "b", "c"}) {
      registry_.push(name, "v1", two_layers(name));
      PullOptions with = options();
      with.holder = std::string("holder-") + name;
      ASSERT_TRUE(pull(std::string(name) + ":v1", with));
    }
  }
  [[nodiscard]] bool has(const char* image) const {
    return store_->find(name(std::string(image) + ":v1"), options().platform).has_value();
  }
  Cleaner cleaner(CleaningOptions options) {
    options.interval = std::chrono::seconds{0};
    return {*store_, options, [this] { return free_; }};
  }
  unsigned free_ = 50;
};

TEST_F(Cleaning, LeavesYoungImagesWhileThereIsRoom) {
  store_->release("holder-a");
  EXPECT_EQ(cleaner({}).clean(), 0u);
  EXPECT_TRUE(has("a"));
}

TEST_F(Cleaning, TakesAFewOldOnesAtATime) {
  for (const char* name : {"a", "b", "c"}) store_->release(std::string("holder-") + name);
  CleaningOptions options;
  options.minimum_age = std::chrono::seconds{0};
  options.most = 2;
  auto few = cleaner(options);
  EXPECT_EQ(few.clean(), 2u);
  EXPECT_EQ(few.clean(), 1u);
  EXPECT_EQ(layers_on_disk(), 0u);
}

TEST_F(Cleaning, TakesYoungOnesWhereTheDiskIsFullAndNeverOneThatIsHeld) {
  store_->release("holder-a");
  store_->release("holder-c");
  free_ = 3;
  EXPECT_EQ(cleaner({}).clean(), 2u) << "room did not come back, so all that nobody holds";
  EXPECT_FALSE(has("a"));
  EXPECT_TRUE(has("b"));
  CleaningOptions off;
  off.free_percent = 0;
  store_->release("holder-b");
  EXPECT_EQ(cleaner(off).clean(), 0u);
}

TEST_F(Cleaning, EndsWithItsOwnerInTheMiddleOfItsInterval) {
  const Cleaner waiting(*store_, {}, [] { return 100u; });
}

}  // namespace
}  // namespace berth::runtime::image
