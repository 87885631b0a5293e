// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/image/decompress.hpp"

#include <gtest/gtest.h>

#include "tests/support/image/bytes.hpp"
#include "tests/support/image/tar_builder.hpp"

namespace berth::runtime::image {
namespace {

using test::Bytes;
using test::gzip;
using test::zstd;

sdk::Result<std::string> all(const std::string& blob, std::size_t piece) {
  Bytes source{blob, piece};
  const auto out = decompress(source);
  std::string text;
  while (true) {
    const auto bytes = out->read();
    if (!bytes) return bytes.error();
    if (bytes->empty()) return text;
    text.append(*bytes);
  }
}

std::string long_text() {
  std::string out;
  for (int i = 0; i < 60000; ++i) out += std::to_string(i * 7919 % 10007) + "\n";
  return out;
}

const std::string kSkippable{"\x50\x2a\x4d\x18\x04\x00\x00\x00skip", 12};

TEST(Decompress, GivesTheSameWhateverThePieces) {
  const std::string text = long_text();
  for (const std::size_t piece :
       {std::size_t{1}, std::size_t{3}, std::size_t{4096}, std::size_t{1} << 20}) {
    EXPECT_EQ(*all(gzip(text), piece), text);
    EXPECT_EQ(*all(zstd(text), piece), text);
    EXPECT_EQ(*all(text, piece), text);
  }
}

TEST(Decompress, JoinsMembersAndFrames) {
  EXPECT_EQ(*all(gzip("one") + gzip("") + gzip("two"), 5), "onetwo");
  EXPECT_EQ(*all(zstd("one") + kSkippable + zstd("two"), 5), "onetwo");
  EXPECT_EQ(*all(kSkippable + zstd("two"), 5), "two");
}

TEST(Decompress, GivesNothingForNothing) {
  EXPECT_EQ(*all("", 10), "");
}

TEST(Decompress, RefusesTruncatedStreams) {
  for (const std::string& whole : {gzip(long_text()), zstd(long_text())}) {
    for (const std::size_t size : {std::size_t{4}, whole.size() / 2, whole.size() - 1}) {
      const auto out = all(whole.substr(0, size), 1000);
      ASSERT_FALSE(out) << size;
      EXPECT_EQ(out.error().status, BERTH_INVALID);
    }
  }
}

TEST(Decompress, RefusesDamage) {
  std::string gz = gzip(long_text());
  gz[gz.size() / 2] = static_cast<char>(gz[gz.size() / 2] ^ 0x55);
  EXPECT_FALSE(all(gz, 1000));
  std::string zst = zstd(long_text());
  zst[zst.size() / 2] = static_cast<char>(zst[zst.size() / 2] ^ 0x55);
  zst[8] = static_cast<char>(zst[8] ^ 0x55);
  EXPECT_FALSE(all(zst, 1000));
  EXPECT_FALSE(all(gzip("x") + "rubbish", 1000));
  EXPECT_FALSE(all(zstd("x") + "rubbish", 1000));
}

}  // namespace
}  // namespace berth::runtime::image
