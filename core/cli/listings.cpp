// SPDX-License-Identifier: Apache-2.0
#include "core/cli/listings.hpp"

#include "core/cli/json_access.hpp"

namespace berth::cli {

Result<boost::json::array> all_pages(ApiClient& api, const std::string& operation,
                                     boost::json::object input, const std::string& member) {
  boost::json::array all;
  for (;;) {
    const auto page = api.call(operation, input);
    if (!page) return tl::unexpected(page.error());
    for (const auto& item : list_of(*page, member)) all.push_back(item);
    const std::string next = text_of(*page, "nextToken");
    if (next.empty()) return all;
    input["nextToken"] = next;
  }
}

Result<std::vector<std::string>> all_arns(ApiClient& api, const std::string& operation,
                                          boost::json::object input, const std::string& member) {
  const auto all = all_pages(api, operation, std::move(input), member);
  if (!all) return tl::unexpected(all.error());
  std::vector<std::string> arns;
  for (const auto& arn : *all) {
    if (arn.is_string()) arns.emplace_back(arn.as_string());
  }
  return arns;
}

Result<std::string> find_by_beginning(const std::vector<std::string>& arns, const std::string& name,
                                      const Kind& kind) {
  const std::string wanted = tail_of(name);
  for (const std::string& arn : arns) {
    if (!wanted.empty() && tail_of(arn) == wanted) return arn;
  }
  std::string found;
  for (const std::string& arn : arns) {
    if (wanted.empty() || !tail_of(arn).starts_with(wanted)) continue;
    if (!found.empty() && found != arn) {
      return fail(Errc::Invalid, std::string("several ") + kind.several + " begin with '" + wanted +
                                     "': give more of the id (" + kind.listed + " lists them)");
    }
    found = arn;
  }
  if (!found.empty()) return found;
  return fail(Errc::NotFound, std::string("no ") + kind.one + " begins with '" + name + "': " +
                                  kind.listed + " lists them");
}

}  // namespace berth::cli
