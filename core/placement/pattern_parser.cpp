// SPDX-License-Identifier: Apache-2.0
#include <optional>
#include <string>
#include <utility>

#include "core/placement/pattern_tree.hpp"

namespace berth::placement {
namespace {

using Bytes = Pattern::Bytes;
using Tree = PatternTree;
using Failure = PatternFailure;

constexpr int kMaxDepth = 50;
constexpr std::size_t kUnbounded = PatternTree::kUnbounded;

Bytes range(unsigned first, unsigned last) {
  Bytes out;
  for (unsigned b = first; b <= last; ++b) out.set(b);
  return out;
}

std::optional<Bytes> named_class(char c) {
  const Bytes digit = range('0', '9');
  const Bytes word = digit | range('a', 'z') | range('A', 'Z') | range('_', '_');
  Bytes space;
  for (const char s : {' ', '\t', '\n', '\v', '\f', '\r'}) space.set(static_cast<unsigned char>(s));
  switch (c) {
    case 'd':
      return digit;
    case 'D':
      return ~digit;
    case 'w':
      return word;
    case 'W':
      return ~word;
    case 's':
      return space;
    case 'S':
      return ~space;
    default:
      return std::nullopt;
  }
}

bool is_alnum(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Recursive descent. The first failure is kept and the rest of the text is skipped, so every loop
// ends.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  [[nodiscard]] const std::optional<Failure>& failure() const { return failure_; }

  Tree whole() {
    if (text_.starts_with("(?i)")) {
      fold_case_ = true;
      at_ = 4;
    }
    Tree out = either(0);
    if (!done()) fail("an unmatched ')'");
    return out;
  }

 private:
  [[nodiscard]] bool done() const { return at_ >= text_.size(); }
  [[nodiscard]] char peek() const { return done() ? '\0' : text_[at_]; }
  void fail(std::string message) {
    if (!failure_) failure_ = Failure{std::move(message), at_};
    at_ = text_.size();
  }
  bool accept(char c) {
    if (done() || peek() != c) return false;
    ++at_;
    return true;
  }

  Tree either(int depth) {
    if (depth > kMaxDepth) fail("groups nested more than " + std::to_string(kMaxDepth) + " deep");
    Tree out{.kind = Tree::Kind::Either};
    do {
      out.parts.push_back(sequence(depth));
    } while (accept('|'));
    return out.parts.size() == 1 ? std::move(out.parts.front()) : out;
  }

  Tree sequence(int depth) {
    Tree out{.kind = Tree::Kind::Sequence};
    while (!done() && peek() != '|' && peek() != ')') out.parts.push_back(repeated(depth));
    return out;
  }

  Tree repeated(int depth) {
    Tree item = atom(depth);
    for (int marks = 0; !done(); ++marks) {
      std::size_t least = 0;
      std::size_t most = kUnbounded;
      if (peek() == '{') {
        bounds(least, most);
      } else if (accept('?')) {
        most = 1;
      } else if (accept('+')) {
        least = 1;
      } else if (!accept('*')) {
        break;
      }
      if (marks > 0) {
        --at_;
        fail("a second repetition mark");
        break;
      }
      if (!accept('?') && !done() && peek() == '+')
        fail("a possessive repetition, which is not supported");
      Tree out{.kind = Tree::Kind::Repeat, .least = least, .most = most};
      out.parts.push_back(std::move(item));
      item = std::move(out);
    }
    return item;
  }

  void bounds(std::size_t& least, std::size_t& most) {
    ++at_;  // '{'
    least = number();
    most = least;
    if (accept(',')) most = !done() && peek() == '}' ? kUnbounded : number();
    if (!accept('}')) fail("a repetition that is not {n}, {n,} or {n,m}");
    if (most < least) fail("a repetition whose bounds are the wrong way round");
  }

  std::size_t number() {
    std::size_t out = 0;
    const std::size_t begin = at_;
    for (; !done() && peek() >= '0' && peek() <= '9'; ++at_) {
      out = out * 10 + static_cast<std::size_t>(peek() - '0');
      if (out > Pattern::kMaxSteps) fail("a repetition that is too large");
    }
    if (at_ == begin) fail("a repetition without a number");
    return out;
  }

  Tree take(Bytes bytes) const {
    if (fold_case_) {
      for (unsigned c = 'a'; c <= 'z'; ++c) {
        const unsigned upper = c - 'a' + 'A';
        if (bytes.test(c) || bytes.test(upper)) bytes.set(c).set(upper);
      }
    }
    return Tree{.kind = Tree::Kind::Take, .bytes = bytes};
  }

  Tree atom(int depth) {
    const char c = peek();
    switch (c) {
      case '(':
        return group(depth);
      case '[':
        return bracket();
      case '\\': {
        const auto bytes = escape();
        return take(bytes);
      }
      case '*':
      case '+':
      case '?':
      case '{':
        fail("a repetition mark with nothing before it");
        return {};
      default:
        break;
    }
    ++at_;
    if (c == '^') return Tree{.kind = Tree::Kind::Begin};
    if (c == '$') return Tree{.kind = Tree::Kind::End};
    if (c == '.') return take(~(range('\n', '\n') | range('\r', '\r')));
    return take(range(static_cast<unsigned char>(c), static_cast<unsigned char>(c)));
  }

  Tree group(int depth) {
    ++at_;  // '('
    if (accept('?')) {
      if (!accept(':')) fail("a group '(?' other than '(?:' (or '(?i)' at the very start)");
    }
    Tree out = either(depth + 1);
    if (!accept(')')) fail("a group without its ')'");
    return out;
  }

  // After a backslash: one byte or a class.
  Bytes escape() {
    ++at_;
    if (done()) {
      fail("a backslash with nothing after it");
      return {};
    }
    const char c = peek();
    if (const auto known = named_class(c)) {
      ++at_;
      return *known;
    }
    if (is_alnum(c) && c != 't' && c != 'n' && c != 'r' && c != 'f' && c != 'x') {
      fail(std::string("the escape '\\") + c + "', which is not supported");
      return {};
    }
    ++at_;
    const auto one = [](unsigned b) { return range(b, b); };
    switch (c) {
      case 't':
        return one('\t');
      case 'n':
        return one('\n');
      case 'r':
        return one('\r');
      case 'f':
        return one('\f');
      case 'x': {
        const int high = at_ + 2 > text_.size() ? -1 : hex_digit(text_[at_]);
        const int low = high < 0 ? -1 : hex_digit(text_[at_ + 1]);
        if (low < 0) {
          fail("\\x without two hexadecimal digits");
          return {};
        }
        at_ += 2;
        return one(static_cast<unsigned>(high * 16 + low));
      }
      default:
        return one(static_cast<unsigned char>(c));
    }
  }

  Tree bracket() {
    ++at_;  // '['
    const bool negated = accept('^');
    Bytes out;
    bool any = false;
    while (true) {
      if (any && accept(']')) break;
      if (done()) {
        fail("a class without its ']'");
        return {};
      }
      if (peek() == '[') fail("a class within a class, which is not supported (write \\[)");
      if (text_.substr(at_).starts_with("&&"))
        fail("an intersection of classes, which is not supported");
      out |= bracket_item();
      any = true;
    }
    return take(negated ? ~out : out);
  }

  Bytes bracket_item() {
    const Bytes first = bracket_byte();
    const bool is_range =
        first.count() == 1 && at_ + 1 < text_.size() && peek() == '-' && text_[at_ + 1] != ']';
    if (!is_range) return first;
    ++at_;
    const std::size_t before = at_;
    const Bytes last = bracket_byte();
    const unsigned from = lowest(first);
    const unsigned to = lowest(last);
    if (last.count() != 1 || to < from) {
      at_ = before;
      fail("a range that does not ascend");
      return {};
    }
    return range(from, to);
  }

  Bytes bracket_byte() {
    if (peek() == '\\') return escape();
    const auto b = static_cast<unsigned char>(peek());
    ++at_;
    return range(b, b);
  }

  static unsigned lowest(const Bytes& bytes) {
    unsigned b = 0;
    while (b < 255 && !bytes.test(b)) ++b;
    return b;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool fold_case_ = false;
  std::optional<Failure> failure_{};
};

}  // namespace

std::variant<PatternTree, PatternFailure> parse_pattern(std::string_view text) {
  Parser parser(text);
  PatternTree tree = parser.whole();
  if (parser.failure()) return *parser.failure();
  return tree;
}

}  // namespace berth::placement
