// SPDX-License-Identifier: Apache-2.0
#include "core/placement/pattern.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <regex>
#include <string>
#include <utility>
#include <vector>

namespace berth::placement {
namespace {

bool matches(std::string_view pattern, std::string_view value) {
  const auto compiled = Pattern::compile(pattern);
  EXPECT_TRUE(compiled.has_value()) << pattern << ": " << compiled.error().message;
  return compiled && compiled->matches(value);
}

TEST(Pattern, MatchesTheWholeValueOnly) {
  EXPECT_TRUE(matches("t2.*", "t2.small"));
  EXPECT_FALSE(matches("t2", "t2.small"));
  EXPECT_FALSE(matches("small", "t2.small"));
  EXPECT_TRUE(matches("", ""));
  EXPECT_FALSE(matches("", "a"));
  EXPECT_TRUE(matches("a|ab", "ab"));  // Java's matches() tries on until the whole value is taken
}

TEST(Pattern, KnowsClassesGroupsAndRepetitions) {
  EXPECT_TRUE(matches("i-[0-9a-f]{8}([0-9a-f]{9})?", "i-0123456789abcdef0"));
  EXPECT_FALSE(matches("i-[0-9a-f]{8}([0-9a-f]{9})?", "i-0123456789"));
  EXPECT_TRUE(matches("(?:t2|m5)\\.(nano|micro)", "m5.micro"));
  EXPECT_TRUE(matches("[^a-y-]+", "zzz"));
  EXPECT_FALSE(matches("[^a-y-]+", "z-z"));
  EXPECT_TRUE(matches("[]a]+", "]a"));
  EXPECT_TRUE(matches("\\d+\\s\\w+\\S", "12 ab_!"));
  EXPECT_TRUE(matches("\\D\\W\\x41\\t", "a-A\t"));
  EXPECT_TRUE(matches("a{2,3}b{0}c{1,}", "aaacc"));
  EXPECT_FALSE(matches("a{2,3}b{0}c{1,}", "aaaac"));
  EXPECT_TRUE(matches("(a*)*b", "aaab"));
  EXPECT_TRUE(matches("a+?b??", "aa"));
  EXPECT_FALSE(matches("a.b", "a\nb"));
}

TEST(Pattern, KnowsAnchorsAndCase) {
  EXPECT_TRUE(matches("^prod$", "prod"));
  EXPECT_FALSE(matches("prod^", "prod"));
  EXPECT_TRUE(matches("^$", ""));
  EXPECT_TRUE(matches("(?i)us-EAST-[0-9]", "US-east-1"));
  EXPECT_FALSE(matches("US", "us"));
}

TEST(Pattern, NamesWhatIsWrongAndWhere) {
  const auto refused = [](std::string_view pattern, std::size_t position,
                          std::string_view message) {
    const auto compiled = Pattern::compile(pattern);
    ASSERT_FALSE(compiled.has_value()) << pattern;
    EXPECT_EQ(compiled.error().position, position) << pattern;
    EXPECT_EQ(compiled.error().message, message) << pattern;
  };
  refused("a(b", 3, "The regular expression has a group without its ')'.");
  refused("ab)", 2, "The regular expression has an unmatched ')'.");
  refused("[a", 2, "The regular expression has a class without its ']'.");
  refused("*a", 0, "The regular expression has a repetition mark with nothing before it.");
  refused("a**", 2, "The regular expression has a second repetition mark.");
  refused("a++", 2, "The regular expression has a possessive repetition, which is not supported.");
  refused("a{3,2}", 6,
          "The regular expression has a repetition whose bounds are the wrong way round.");
  refused("a{x}", 2, "The regular expression has a repetition without a number.");
  refused("(a)\\1", 4, "The regular expression has the escape '\\1', which is not supported.");
  refused("\\p{Lu}", 1, "The regular expression has the escape '\\p', which is not supported.");
  refused(
      "(?=a)", 2,
      "The regular expression has a group '(?' other than '(?:' (or '(?i)' at the very start).");
  refused("[z-a]", 3, "The regular expression has a range that does not ascend.");
  refused("a\\", 2, "The regular expression has a backslash with nothing after it.");
  refused("\\x4", 2, "The regular expression has \\x without two hexadecimal digits.");
}

TEST(Pattern, RefusesWhatWouldCostTooMuch) {
  EXPECT_FALSE(Pattern::compile("((a{50}){50}){50}").has_value());
  EXPECT_FALSE(Pattern::compile("((){999}){999}").has_value());
  EXPECT_FALSE(Pattern::compile("a{99999999999999999999}").has_value());
  EXPECT_FALSE(Pattern::compile(std::string(2000, '(')).has_value());
  EXPECT_FALSE(Pattern::compile(std::string(60, '(') + std::string(60, ')')).has_value());
}

TEST(Pattern, TakesLinearTimeWhereBacktrackingNeverEnds) {
  EXPECT_FALSE(matches("(a+)+(a|aa)*b", std::string(128, 'a')));
  EXPECT_FALSE(matches("(.*)*(.*)*(.*)*x", std::string(128, 'a')));
}

// Anything is either a pattern or a refusal with a position inside the text.
RC_GTEST_PROP(Pattern, SurvivesAnyText, (const std::string& text)) {
  const auto compiled = Pattern::compile(text);
  if (compiled) {
    static_cast<void>(compiled->matches(text));
  } else {
    RC_ASSERT(compiled.error().position <= text.size());
  }
}

RC_GTEST_PROP(Pattern, AgreesWithTheStandardLibrary, ()) {
  const auto atom = rc::gen::element<std::string>("a", "b", ".", "[ab]", "[^a]", "\\d", "(a|b)",
                                                  "(ab*|c)", "(?:a?b)", "()");
  const auto mark =
      rc::gen::element<std::string>("", "", "*", "+", "?", "{1,2}", "{0,3}", "{2,}", "*?", "|");
  std::string pattern;
  for (const auto& [what, how_often] :
       *rc::gen::container<std::vector<std::pair<std::string, std::string>>>(
           rc::gen::pair(atom, mark))) {
    pattern += what + how_often;
  }
  const auto value = *rc::gen::container<std::string>(rc::gen::element('a', 'b', 'c', '1'));
  const auto compiled = Pattern::compile(pattern);
  RC_ASSERT(compiled.has_value());
  // Its breadth-first executor: the other one may take forever.
  const std::regex standard(pattern, std::regex::ECMAScript | std::regex_constants::__polynomial);
  RC_ASSERT(compiled->matches(value) == std::regex_match(value, standard));
}

}  // namespace
}  // namespace berth::placement
