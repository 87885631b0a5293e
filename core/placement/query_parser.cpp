// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "core/placement/query.hpp"
#include "core/placement/query_tree.hpp"
#include "core/placement/query_values.hpp"

namespace berth::placement {
namespace {

using Node = Query::Node;

constexpr int kMaxDepth = 100;

struct OperatorName {
  std::string_view text;
  Operator op;
};
// Symbols by falling length: ">=" must be tried before ">".
constexpr std::array kSymbols = {
    OperatorName{"!exists", Operator::NotExists}, OperatorName{"!in", Operator::NotIn},
    OperatorName{"==", Operator::Equals},         OperatorName{"!=", Operator::NotEquals},
    OperatorName{">=", Operator::GreaterEqual},   OperatorName{"<=", Operator::LessEqual},
    OperatorName{"=~", Operator::Matches},        OperatorName{"!~", Operator::NotMatches},
    OperatorName{">", Operator::Greater},         OperatorName{"<", Operator::Less},
};
constexpr std::array kWords = {
    OperatorName{"equals", Operator::Equals},
    OperatorName{"not_equals", Operator::NotEquals},
    OperatorName{"greater_than", Operator::Greater},
    OperatorName{"greater_than_equal", Operator::GreaterEqual},
    OperatorName{"less_than", Operator::Less},
    OperatorName{"less_than_equal", Operator::LessEqual},
    OperatorName{"exists", Operator::Exists},
    OperatorName{"not_exists", Operator::NotExists},
    OperatorName{"in", Operator::In},
    OperatorName{"not_in", Operator::NotIn},
    OperatorName{"matches", Operator::Matches},
    OperatorName{"not_matches", Operator::NotMatches},
};

struct SubjectName {
  std::string_view text;
  Subject subject;
};
constexpr std::array kSubjects = {
    SubjectName{"agentConnected", Subject::AgentConnected},
    SubjectName{"agentVersion", Subject::AgentVersion},
    SubjectName{"ec2InstanceId", Subject::Ec2InstanceId},
    SubjectName{"registeredAt", Subject::RegisteredAt},
    SubjectName{"runningTasksCount", Subject::RunningTasksCount},
    SubjectName{"task:group", Subject::TaskGroup},
};
constexpr std::string_view kAttribute = "attribute:";

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}
bool is_subject(char c) {
  return is_word(c) || c == '-' || c == '.' || c == '/' || c == '\\' || c == ':';
}

bool has_order(Operator op) {
  return op == Operator::Greater || op == Operator::GreaterEqual || op == Operator::Less ||
         op == Operator::LessEqual;
}
bool is_equality(Operator op) {
  return op == Operator::Equals || op == Operator::NotEquals;
}
bool is_existence(Operator op) {
  return op == Operator::Exists || op == Operator::NotExists;
}
bool is_list(Operator op) {
  return op == Operator::In || op == Operator::NotIn;
}
bool is_pattern(Operator op) {
  return op == Operator::Matches || op == Operator::NotMatches;
}

bool allows(Subject subject, Operator op) {
  switch (subject) {
    case Subject::Attribute:
      return true;
    case Subject::AgentVersion:
    case Subject::RegisteredAt:
    case Subject::RunningTasksCount:
      return is_equality(op) || has_order(op);
    case Subject::AgentConnected:
    case Subject::Ec2InstanceId:
    case Subject::TaskGroup:
      return is_equality(op) || is_list(op) || is_pattern(op);
  }
  return false;
}

// Recursive descent. The first failure is kept and the rest of the text skipped, so every loop
// ends.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Node whole() {
    Node out = either(0);
    skip_blanks();
    if (!done()) fail(at_, "expected 'and', 'or' or the end");
    return out;
  }
  [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }
  [[nodiscard]] bool depends_on_tasks() const { return depends_on_tasks_; }
  [[nodiscard]] bool depends_on_identity() const { return depends_on_identity_; }

 private:
  [[nodiscard]] bool done() const { return at_ >= text_.size(); }
  [[nodiscard]] char peek() const { return done() ? '\0' : text_[at_]; }
  [[nodiscard]] std::string_view rest() const { return text_.substr(std::min(at_, text_.size())); }

  void fail(std::size_t position, const std::string& message) {
    if (!failure_) {
      failure_ = Error{Error::Code::Invalid,
                       "The expression is wrong at character " + std::to_string(position + 1) +
                           ": " + message + ".",
                       {},
                       position};
    }
    at_ = text_.size();
  }

  void skip_blanks() {
    while (!done() && is_blank(peek())) ++at_;
  }

  // A word that ends where it ends: "or" does not match "order".
  bool accept_word(std::string_view word) {
    skip_blanks();
    if (!rest().starts_with(word)) return false;
    const std::size_t after = at_ + word.size();
    if (after < text_.size() && is_subject(text_[after])) return false;
    at_ = after;
    return true;
  }
  bool accept_symbol(std::string_view symbol) {
    skip_blanks();
    if (!rest().starts_with(symbol)) return false;
    at_ += symbol.size();
    return true;
  }

  Node either(int depth) {
    Node out{.kind = Node::Kind::Or};
    do {
      out.parts.push_back(both(depth));
    } while (accept_symbol("||") || accept_word("or"));
    return out.parts.size() == 1 ? Node(std::move(out.parts.front())) : out;
  }

  Node both(int depth) {
    Node out{.kind = Node::Kind::And};
    do {
      out.parts.push_back(negation(depth));
    } while (accept_symbol("&&") || accept_word("and"));
    return out.parts.size() == 1 ? Node(std::move(out.parts.front())) : out;
  }

  Node negation(int depth) {
    skip_blanks();
    if (depth > kMaxDepth) {
      fail(at_, "nested more than " + std::to_string(kMaxDepth) + " deep");
      return {};
    }
    if (accept_symbol("!") || accept_word("not")) {
      Node out{.kind = Node::Kind::Not};
      out.parts.push_back(negation(depth + 1));
      return out;
    }
    if (accept_symbol("(")) {
      const std::size_t opened = at_ - 1;
      Node out = either(depth + 1);
      skip_blanks();
      if (done()) fail(opened, "this '(' has no ')'");
      if (!accept_symbol(")")) fail(at_, "expected 'and', 'or' or ')'");
      return out;
    }
    return simple();
  }

  Node simple() {
    Node out;
    const std::size_t begin = at_;
    if (!subject(out.test)) return out;
    const std::string_view name = text_.substr(begin, at_ - begin);
    skip_blanks();
    const std::size_t op_at = at_;
    const auto op = operation();
    if (!op) {
      fail(op_at, "expected an operator after '" + std::string(name) + "'");
      return out;
    }
    if (!allows(out.test.subject, *op)) {
      fail(op_at, "'" + std::string(name) + "' does not take the operator '" +
                      std::string(text_.substr(op_at, at_ - op_at)) + "'");
      return out;
    }
    out.test.op = *op;
    if (!is_existence(*op)) argument(out.test);
    return out;
  }

  bool subject(Test& test) {
    const std::size_t begin = at_;
    while (!done() && is_subject(peek())) ++at_;
    const std::string_view name = text_.substr(begin, at_ - begin);
    if (name.starts_with(kAttribute) && name.size() > kAttribute.size()) {
      test.attribute = name.substr(kAttribute.size());
      return true;
    }
    for (const SubjectName& known : kSubjects) {
      if (known.text != name) continue;
      test.subject = known.subject;
      depends_on_tasks_ = depends_on_tasks_ || known.subject == Subject::TaskGroup ||
                          known.subject == Subject::RunningTasksCount;
      depends_on_identity_ = depends_on_identity_ || known.subject == Subject::Ec2InstanceId ||
                             known.subject == Subject::RegisteredAt;
      return true;
    }
    if (name.empty()) {
      fail(begin, "expected a subject such as attribute:<name>");
    } else {
      std::string known = "attribute:<name>";
      for (const SubjectName& one : kSubjects) known += ", " + std::string(one.text);
      fail(begin, "'" + std::string(name) + "' is no subject: it is one of " + known);
    }
    return false;
  }

  std::optional<Operator> operation() {
    for (const OperatorName& known : kSymbols) {
      if (is_word(known.text.back()) ? accept_word(known.text) : accept_symbol(known.text))
        return known.op;
    }
    for (const OperatorName& known : kWords) {
      if (accept_word(known.text)) return known.op;
    }
    return std::nullopt;
  }

  void argument(Test& test) {
    skip_blanks();
    if (!is_list(test.op)) return value(test);
    if (!accept_symbol("[")) return fail(at_, "expected a list '[a, b]'");
    do {
      skip_blanks();
      value(test);
    } while (accept_symbol(","));
    if (!failure_ && !accept_symbol("]")) fail(at_, "expected ',' or ']'");
  }

  // One value, quoted or bare, checked to be of the subject's type.
  void value(Test& test) {
    const std::size_t begin = at_;
    const auto text = peek() == '\'' || peek() == '"' ? quoted() : bare();
    if (!text) return;
    test.values.emplace_back(*text);
    const auto require = [&](bool holds, const std::string& what) {
      if (!holds) fail(begin, "'" + std::string(*text) + "' is not " + what);
    };
    if (is_pattern(test.op)) return pattern(test, begin);
    switch (test.subject) {
      case Subject::AgentConnected:
        return require(*text == "true" || *text == "false", "true or false");
      case Subject::AgentVersion: {
        const auto version = parse_version(*text);
        require(version.has_value(), "a version such as 1.2.3");
        if (version) test.version = *version;
        return;
      }
      case Subject::RegisteredAt:
      case Subject::RunningTasksCount: {
        const bool date = test.subject == Subject::RegisteredAt;
        const auto number = date ? parse_instant_ms(*text) : parse_integer(*text);
        require(number.has_value(),
                date ? "a date such as 2018-06-18T22:28:28Z" : "a whole number");
        test.number = number.value_or(0);
        return;
      }
      case Subject::Attribute:
      case Subject::Ec2InstanceId:
      case Subject::TaskGroup:
        return;
    }
  }

  void pattern(Test& test, std::size_t begin) {
    auto compiled = Pattern::compile(test.values.back());
    if (compiled) {
      test.pattern = std::move(*compiled);
      return;
    }
    const bool in_quotes = text_[begin] == '\'' || text_[begin] == '"';
    const Error& error = compiled.error();
    fail(begin + (in_quotes ? 1 : 0) + error.position,
         error.message.substr(0, error.message.size() - 1));
  }

  std::optional<std::string_view> quoted() {
    const std::size_t begin = at_ + 1;
    const std::size_t end = text_.find(text_[at_], begin);
    if (end == std::string_view::npos) {
      fail(at_, "this quotation mark has no other");
      return std::nullopt;
    }
    at_ = end + 1;
    return text_.substr(begin, end - begin);
  }

  // Ends at a blank, ',', ']', ')', '&&' or '||', except within brackets of its own: =~
  // t2.(micro|small).
  std::optional<std::string_view> bare() {
    const std::size_t begin = at_;
    int open = 0;
    for (; !done() && !is_blank(peek()); ++at_) {
      const char c = peek();
      if (open == 0 && (c == ',' || c == ']' || c == ')' || rest().starts_with("&&") ||
                        rest().starts_with("||")))
        break;
      open += c == '(' || c == '[' ? 1 : c == ')' || c == ']' ? -1 : 0;
      if (c == '\\' && at_ + 1 < text_.size() && !is_blank(text_[at_ + 1])) ++at_;
    }
    if (at_ == begin) {
      fail(begin, "expected a value");
      return std::nullopt;
    }
    if (open != 0) {
      fail(begin, "a bracket of this value has no other; put the value in quotation marks");
      return std::nullopt;
    }
    return text_.substr(begin, at_ - begin);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool depends_on_tasks_ = false;
  bool depends_on_identity_ = false;
  std::optional<Error> failure_{};
};

}  // namespace

Result<Query> Query::parse(std::string_view text) {
  Parser parser(text);
  Node root = parser.whole();
  if (parser.failure()) return *parser.failure();
  Query out(std::make_shared<const Node>(std::move(root)));
  out.depends_on_tasks_ = parser.depends_on_tasks();
  out.depends_on_identity_ = parser.depends_on_identity();
  return out;
}

}  // namespace berth::placement
