// SPDX-License-Identifier: Apache-2.0
#include "plugins/registry-ecr/challenge.hpp"

#include <cstddef>
#include <optional>

namespace berth::registry_ecr {
namespace {

constexpr std::size_t kMaxHeader = 8192;
constexpr std::size_t kMaxChallenges = 16;

bool is_token_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view{"!#$%&'*+-.^_`|~"}.find(c) != std::string_view::npos;
}

std::string lower(std::string_view text) {
  std::string out{text};
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  [[nodiscard]] bool done() const { return at_ >= text_.size(); }
  [[nodiscard]] std::size_t at() const { return at_; }
  void back_to(std::size_t at) { at_ = at; }
  void skip_blanks() {
    while (!done() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  void skip_commas() {
    while (!done() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == ',')) ++at_;
  }
  bool take(char c) {
    if (done() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  std::string_view token() {
    const std::size_t from = at_;
    while (!done() && is_token_char(text_[at_])) ++at_;
    return text_.substr(from, at_ - from);
  }
  // A token or a quoted string.
  std::optional<std::string> value() {
    if (!take('"')) {
      const std::string_view plain = token();
      return plain.empty() ? std::nullopt : std::optional{std::string{plain}};
    }
    std::string out;
    while (!done()) {
      char c = text_[at_++];
      if (c == '"') return out;
      if (c == '\\' && !done()) c = text_[at_++];
      out += c;
    }
    return {};
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

// key=value, or nothing and the scanner where it was: then a new challenge begins.
bool take_parameter(Scanner& scanner, Challenge& out) {
  const std::size_t from = scanner.at();
  const std::string key = lower(scanner.token());
  scanner.skip_blanks();
  if (key.empty() || !scanner.take('=')) {
    scanner.back_to(from);
    return false;
  }
  scanner.skip_blanks();
  auto value = scanner.value();
  if (!value) {
    scanner.back_to(from);
    return false;
  }
  if (key == "realm") out.realm = std::move(*value);
  if (key == "service") out.service = std::move(*value);
  return true;
}

}  // namespace

std::vector<Challenge> parse_challenges(std::string_view header) {
  std::vector<Challenge> out;
  Scanner scanner{header.substr(0, kMaxHeader)};
  while (out.size() < kMaxChallenges) {
    scanner.skip_commas();
    Challenge challenge{.scheme = lower(scanner.token()), .realm = {}, .service = {}};
    if (challenge.scheme.empty()) break;
    do {
      scanner.skip_commas();
    } while (!scanner.done() && take_parameter(scanner, challenge));
    out.push_back(std::move(challenge));
  }
  return out;
}

}  // namespace berth::registry_ecr
