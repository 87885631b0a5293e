// SPDX-License-Identifier: Apache-2.0
#include "core/model/exec_frames.hpp"

#include <gtest/gtest.h>

namespace berth::exec {
namespace {

std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text += static_cast<char>(value);
  return text;
}

template <typename T>
T again(const T& frame) {
  auto decoded = decode(encode(frame));
  EXPECT_TRUE(decoded) << (decoded ? "" : decoded.error().message);
  return decoded && std::holds_alternative<T>(*decoded) ? std::get<T>(*decoded) : T{};
}

TEST(ExecFrames, LookOnTheWireAsTheHeaderSays) {
  EXPECT_EQ(encode(Data{"ls\n"}), bytes({0, 'l', 's', '\n'}));
  EXPECT_EQ(encode(Errors{"no"}), bytes({1, 'n', 'o'}));
  EXPECT_EQ(encode(EndOfInput{}), bytes({2}));
  EXPECT_EQ(encode(Resize{24, 300}), bytes({3, 0, 24, 1, 44}));
  EXPECT_EQ(encode(Signal{"INT"}), bytes({4, 'I', 'N', 'T'}));
  EXPECT_EQ(encode(Credit{65'536}), bytes({5, 0, 1, 0, 0}));
  EXPECT_EQ(encode(Exit{-1}), bytes({6, 255, 255, 255, 255}));
  EXPECT_EQ(encode(Failure{"gone"}), bytes({7, 'g', 'o', 'n', 'e'}));
}

TEST(ExecFrames, ComeBackAsTheyWere) {
  EXPECT_EQ(again(Data{std::string("a\0b", 3)}).bytes, std::string("a\0b", 3));
  EXPECT_EQ(again(Errors{"x"}).bytes, "x");
  EXPECT_EQ(again(Resize{65'535, 1}).rows, 65'535);
  EXPECT_EQ(again(Resize{65'535, 1}).columns, 1);
  EXPECT_EQ(again(Signal{"RTMIN+3"}).name, "RTMIN+3");
  EXPECT_EQ(again(Credit{0xffffffffU}).bytes, 0xffffffffU);
  EXPECT_EQ(again(Exit{137}).code, 137);
  EXPECT_EQ(again(Exit{-2}).code, -2);
  EXPECT_EQ(again(Failure{"why"}).message, "why");
}

TEST(ExecFrames, OfANewerPeerAreUnknownNotWrong) {
  const auto frame = decode(bytes({42, 1, 2}));
  ASSERT_TRUE(frame);
  EXPECT_TRUE(std::holds_alternative<Unknown>(*frame));
}

TEST(ExecFrames, ThatAreNoneAreRefusedWithWhatIsWrong) {
  const auto wrong = [](const std::string& message) {
    const auto frame = decode(message);
    return frame ? std::string("taken") : frame.error().message;
  };
  EXPECT_EQ(wrong(""), "The message is empty.");
  EXPECT_EQ(wrong(std::string(kMessageMax + 1, '\0')), "The message is longer than 64 KiB.");
  EXPECT_EQ(wrong(bytes({2, 0})), "The message that ends the input has more to say.");
  EXPECT_EQ(wrong(bytes({3, 0, 24})),
            "The message with a terminal's size has not four bytes of it.");
  EXPECT_EQ(wrong(bytes({4})), "The message names no signal.");
  EXPECT_EQ(wrong(bytes({4, 'i'})), "The message names no signal.");
  EXPECT_EQ(wrong(bytes({5, 0, 0, 0, 0, 0})), "The message with credit has not four bytes of it.");
  EXPECT_EQ(wrong(bytes({6})), "The message with an exit code has not four bytes of it.");
}

}  // namespace
}  // namespace berth::exec
