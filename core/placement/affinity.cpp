// SPDX-License-Identifier: Apache-2.0
#include "core/placement/affinity.hpp"

#include <algorithm>

namespace berth::placement {

Result<Affinity> Affinity::make(const std::vector<AffinityTerm>& terms) {
  if (terms.size() > kMaxTerms) {
    return Error{.message = "affinity has more than 10 terms", .what = "affinity"};
  }
  Affinity out;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const std::string name = "affinity[" + std::to_string(i) + "]";
    const std::int32_t weight = terms[i].weight;
    if (weight == 0 || weight > kMaxWeight || weight < -kMaxWeight) {
      return Error{.message = name + ".weight must be from -1000 to 1000 and not 0",
                   .what = name + ".weight"};
    }
    Result<Query> query = Query::parse(terms[i].expression);
    if (!query) {
      Error error = query.error();
      error.what = name + ".expression";
      return error;
    }
    out.terms_.emplace_back(*std::move(query), weight);
  }
  return out;
}

std::int32_t Affinity::score(const NodeFacts& node) const {
  std::int32_t sum = 0;
  for (const auto& [query, weight] : terms_) sum += query.matches(node) ? weight : 0;
  return sum;
}

bool Affinity::depends_on_tasks() const {
  return std::ranges::any_of(terms_,
                             [](const auto& term) { return term.first.depends_on_tasks(); });
}

}  // namespace berth::placement
