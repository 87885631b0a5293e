// SPDX-License-Identifier: Apache-2.0
#include "sdk/fleet/node_store.hpp"

#include <fstream>

#include "sdk/fleet/credentials.hpp"
#include "sdk/fleet/durable_file.hpp"
#include "sdk/fleet/node_writer.hpp"
#include "tests/sdk/fleet/fixture.hpp"

namespace berth::fleet {
namespace {

v1::StoredNode stored_node(char digit, std::int64_t registered) {
  v1::StoredNode node;
  node.set_version(1);
  node.set_id(std::string(32, digit));
  node.add_key_sha256(std::string(32, 's'));
  node.set_certificate_expires_ms(10'000);
  node.set_joined_at_ms(1'000);
  node.set_registered_at_ms(registered);
  return node;
}

TEST_F(FleetTest, NodesAreReadAsTheyWerePut) {
  const auto path = dir_.path() / "nodes";
  {
    auto store = NodeStore::open(path, 1'000);
    ASSERT_TRUE(store);
    ASSERT_TRUE(store->put(stored_node('a', 5)));
    ASSERT_TRUE(store->put(stored_node('b', 5)));
    ASSERT_TRUE(store->remove(std::string(32, 'b'), 1'000));
  }
  auto store = NodeStore::open(path, 1'000);
  ASSERT_TRUE(store);
  ASSERT_EQ(store->nodes().size(), 1U);
  EXPECT_EQ(store->nodes().begin()->second.registered_at_ms(), 5);
}

TEST_F(FleetTest, WhatIsToBeWrittenLaterIsWrittenInTheEndAndNeverOverNewer) {
  const auto path = dir_.path() / "nodes";
  {
    auto store = NodeStore::open(path, 1'000);
    ASSERT_TRUE(store);
    for (int i = 1; i <= 100; ++i) {
      store->put_later(stored_node('a', i));
      EXPECT_EQ(store->nodes().begin()->second.registered_at_ms(), i) << "known at once";
    }
    store->put_later(stored_node('b', 5));
    ASSERT_TRUE(store->put(stored_node('b', 6)));
    store->put_later(stored_node('c', 5));
    ASSERT_TRUE(store->remove(std::string(32, 'c'), 1'000));
  }
  auto store = NodeStore::open(path, 1'000);
  ASSERT_TRUE(store);
  ASSERT_EQ(store->nodes().size(), 2U);
  EXPECT_EQ(store->nodes().begin()->second.registered_at_ms(), 100);
  EXPECT_EQ(store->nodes().rbegin()->second.registered_at_ms(), 6);
  EXPECT_TRUE(store->was_removed(std::string(32, 'c')));
}

TEST_F(FleetTest, WhatCannotBeWrittenLaterIsToldAndTriedAgain) {
  const auto path = dir_.path() / "nodes";
  Heard heard;
  std::string told;
  auto store = NodeStore::open(path, 1'000, [&](const std::string& name, const sdk::Error&) { heard.with([&] { told = name; }); });
  ASSERT_TRUE(store);
  std::filesystem::rename(path, dir_.path() / "away");
  store->put_later(stored_node('a', 5));
  EXPECT_TRUE(heard.wait([&] { return told == std::string(32, 'a'); }));
  std::filesystem::rename(dir_.path() / "away", path);
  *store = NodeStore();  // what waits is tried once more
  EXPECT_EQ(NodeStore::open(path, 1'000)->nodes().size(), 1U);
}

TEST_F(FleetTest, EachThatWaitsAtTheEndIsTriedAlsoBehindOneThatCannotBeWritten) {
  const auto path = dir_.path() / "files";
  // Directories in the place of two of them.
  for (const char* name : {"a/x", "b/x"}) std::filesystem::create_directories(path / name);
  Heard heard;
  std::string told;
  {
    NodeWriter writer(path, [&](const std::string& name, const sdk::Error&) { heard.with([&] { told = name; }); });
    writer.write_later("a", "1");
    EXPECT_TRUE(heard.wait([&] { return told == "a"; }));
    writer.write_later("b", "2");
    writer.write_later("c", "3");
  }
  EXPECT_TRUE(std::filesystem::is_regular_file(path / "c"));
}

TEST_F(FleetTest, ARemovedNodeIsRememberedUntilAYearAfterItsCertificate) {
  const auto path = dir_.path() / "nodes";
  const std::string id(32, 'a');
  {
    auto store = NodeStore::open(path, 1'000);
    ASSERT_TRUE(store);
    ASSERT_TRUE(store->put(stored_node('a', 5)));
    ASSERT_TRUE(store->remove(id, 1'000));
    EXPECT_TRUE(store->was_removed(id));
    EXPECT_TRUE(store->nodes().empty());
  }
  constexpr std::int64_t kYear = 365LL * 24 * 3600 * 1000;
  EXPECT_TRUE(NodeStore::open(path, kYear)->was_removed(id));
  EXPECT_FALSE(NodeStore::open(path, kYear + 10'000)->was_removed(id));
  EXPECT_FALSE(std::filesystem::exists(path / id));
}

TEST_F(FleetTest, AnIdentityThatNeverRegisteredIsDroppedAfterADay) {
  const auto path = dir_.path() / "nodes";
  auto store = NodeStore::open(path, 1'000);
  ASSERT_TRUE(store);
  ASSERT_TRUE(store->put(stored_node('a', 0)));
  ASSERT_TRUE(store->put(stored_node('b', 7)));
  EXPECT_EQ(NodeStore::open(path, 2'000)->nodes().size(), 2U);
  EXPECT_EQ(NodeStore::open(path, 100'000'000)->nodes().size(), 1U);
}

TEST_F(FleetTest, ADamagedOrNewerNodeFileIsNamedAndLeftAlone) {
  const auto path = dir_.path() / "nodes";
  ASSERT_TRUE(NodeStore::open(path, 1'000));
  const auto file = path / std::string(32, 'c');
  std::ofstream(file) << "garbage";
  const auto damaged = NodeStore::open(path, 1'000);
  ASSERT_FALSE(damaged);
  EXPECT_NE(damaged.error().message.find(file.string()), std::string::npos);
  EXPECT_EQ(std::filesystem::file_size(file), 7U);
  auto newer = stored_node('c', 1);
  newer.set_version(2);
  std::ofstream(file) << newer.SerializeAsString();
  EXPECT_NE(NodeStore::open(path, 1'000).error().message.find("newer version"), std::string::npos);
}

TEST_F(FleetTest, CertificatesStayAndMixedOnesAreRefused) {
  const auto a = load_or_make_credentials(dir_.path() / "a");
  const auto b = load_or_make_credentials(dir_.path() / "b");
  ASSERT_TRUE(a);
  ASSERT_TRUE(b);
  EXPECT_NE(a->fingerprint, b->fingerprint);
  EXPECT_EQ(load_or_make_credentials(dir_.path() / "a")->fingerprint, a->fingerprint);
  std::filesystem::copy_file(dir_.path() / "b/ca.pem", dir_.path() / "a/ca.pem",
                             std::filesystem::copy_options::overwrite_existing);
  const auto mixed = load_or_make_credentials(dir_.path() / "a");
  ASSERT_FALSE(mixed);
  EXPECT_NE(mixed.error().message.find("do not belong together"), std::string::npos);
}

TEST_F(FleetTest, AFileIsWholeOrAsBefore) {
  const auto path = dir_.path() / "file";
  ASSERT_TRUE(write_durably(path, "one", 0600));
  ASSERT_TRUE(write_durably(path, "two", 0600));
  EXPECT_EQ(*read_small_file(path), "two");
  EXPECT_FALSE(read_small_file(path, 2));
  EXPECT_FALSE(write_durably(dir_.path() / "absent" / "file", "x", 0600));
  EXPECT_EQ(read_small_file(dir_.path() / "none").error().status, BERTH_NOT_FOUND);
}

}  // namespace
}  // namespace berth::fleet
