// SPDX-License-Identifier: Apache-2.0
#include "core/placement/pattern.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include "core/placement/pattern_tree.hpp"

namespace berth::placement {
namespace {

using Bytes = Pattern::Bytes;
using Step = Pattern::Step;
using Tree = PatternTree;
constexpr std::size_t kUnbounded = PatternTree::kUnbounded;

// Thompson's construction. Past the limit it writes nothing more, and `full` says so.
class Writer {
 public:
  Writer(std::vector<Step>& steps, std::vector<Bytes>& sets) : steps_(steps), sets_(sets) {}

  [[nodiscard]] bool full() const { return full_; }

  void write(const Tree& tree) {
    if (full_) return;
    switch (tree.kind) {
      case Tree::Kind::Take: {
        const auto known = std::find(sets_.begin(), sets_.end(), tree.bytes);
        const auto set = static_cast<std::uint32_t>(known - sets_.begin());
        if (known == sets_.end()) sets_.push_back(tree.bytes);
        add({.op = Step::Op::Take, .set = set});
        break;
      }
      case Tree::Kind::Begin:
        add({.op = Step::Op::Begin});
        break;
      case Tree::Kind::End:
        add({.op = Step::Op::End});
        break;
      case Tree::Kind::Sequence:
        for (const Tree& part : tree.parts) write(part);
        break;
      case Tree::Kind::Either:
        either(tree);
        break;
      case Tree::Kind::Repeat:
        repeat(tree);
        break;
    }
  }

  std::uint32_t add(Step step) {
    full_ = full_ || steps_.size() >= Pattern::kMaxSteps;
    steps_.push_back(step);
    return static_cast<std::uint32_t>(steps_.size() - 1);
  }

 private:
  [[nodiscard]] std::uint32_t next() const { return static_cast<std::uint32_t>(steps_.size()); }

  void either(const Tree& tree) {
    std::vector<std::uint32_t> ends;
    for (std::size_t i = 0; i < tree.parts.size(); ++i) {
      const bool last = i + 1 == tree.parts.size();
      const std::uint32_t fork = last ? 0 : add({.op = Step::Op::Fork});
      if (!last) steps_[fork].to = next();
      write(tree.parts[i]);
      if (!last) {
        ends.push_back(add({.op = Step::Op::Jump}));
        steps_[fork].or_to = next();
      }
    }
    for (const std::uint32_t end : ends) steps_[end].to = next();
  }

  void repeat(const Tree& tree) {
    const Tree& item = tree.parts.front();
    for (std::size_t i = 0; i < tree.least && !full_; ++i) copy(item);
    if (tree.most == kUnbounded) {
      const std::uint32_t fork = add({.op = Step::Op::Fork});
      steps_[fork].to = next();
      write(item);
      add({.op = Step::Op::Jump, .to = fork});
      steps_[fork].or_to = next();
      return;
    }
    std::vector<std::uint32_t> forks;
    for (std::size_t i = tree.least; i < tree.most && !full_; ++i) {
      forks.push_back(add({.op = Step::Op::Fork}));
      steps_[forks.back()].to = next();
      write(item);
    }
    for (const std::uint32_t fork : forks) steps_[fork].or_to = next();
  }

  // Copies of nothing (nested empty groups) add no step, so the step limit does not bound them:
  // count them.
  void copy(const Tree& item) {
    full_ = full_ || ++copies_ > Pattern::kMaxSteps;
    write(item);
  }

  std::vector<Step>& steps_;
  std::vector<Bytes>& sets_;
  std::size_t copies_ = 0;
  bool full_ = false;
};

// The set of states that a value's prefix can be in.
class States {
 public:
  States(const std::vector<Step>& steps) : steps_(steps), seen_(steps.size(), 0) {}

  // Adds all that `step` leads to without taking a byte. Iterative: patterns may be long.
  void add(std::uint32_t step, bool at_begin, bool at_end) {
    todo_.push_back(step);
    while (!todo_.empty()) {
      const std::uint32_t s = todo_.back();
      todo_.pop_back();
      if (seen_[s] == round_) continue;
      seen_[s] = round_;
      const Step& here = steps_[s];
      switch (here.op) {
        case Step::Op::Take:
          current.push_back(s);
          break;
        case Step::Op::Accept:
          accepts = true;
          break;
        case Step::Op::Jump:
          todo_.push_back(here.to);
          break;
        case Step::Op::Fork:
          todo_.push_back(here.to);
          todo_.push_back(here.or_to);
          break;
        case Step::Op::Begin:
          if (at_begin) todo_.push_back(s + 1);
          break;
        case Step::Op::End:
          if (at_end) todo_.push_back(s + 1);
          break;
      }
    }
  }

  std::vector<std::uint32_t> take() {
    ++round_;
    accepts = false;
    return std::exchange(current, {});
  }

  std::vector<std::uint32_t> current;
  bool accepts = false;

 private:
  const std::vector<Step>& steps_;
  std::vector<std::uint32_t> seen_;
  std::vector<std::uint32_t> todo_;
  std::uint32_t round_ = 1;
};

}  // namespace

Result<Pattern> Pattern::compile(std::string_view text) {
  const auto parsed = parse_pattern(text);
  const auto refuse = [](const std::string& message, std::size_t position) {
    return Error{Error::Code::Invalid, "The regular expression has " + message + ".", {}, position};
  };
  if (const auto* failure = std::get_if<PatternFailure>(&parsed))
    return refuse(failure->message, failure->position);
  Pattern out;
  Writer writer(out.steps_, out.sets_);
  writer.write(std::get<PatternTree>(parsed));
  writer.add({.op = Step::Op::Accept});
  if (writer.full()) return refuse("more repetitions than are allowed", 0);
  return out;
}

bool Pattern::matches(std::string_view value) const {
  States states(steps_);
  states.add(0, true, value.empty());
  for (std::size_t i = 0; i < value.size(); ++i) {
    const bool at_end = i + 1 == value.size();
    const auto byte = static_cast<unsigned char>(value[i]);
    for (const std::uint32_t s : states.take()) {
      if (sets_[steps_[s].set].test(byte)) states.add(s + 1, false, at_end);
    }
    if (states.current.empty() && !states.accepts) return false;
  }
  return states.accepts;
}

}  // namespace berth::placement
