// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>
#include <iostream>

#include "core/cli/commands.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/pool_table.hpp"
#include "core/cli/task_lookup.hpp"

namespace berth::cli {

int show_pools(const Context& context, const PoolOptions& options) {
  ApiClient api(context.api);
  auto answer = api.call("Berth.ListPools", input_for(context));
  if (!answer) return complain(answer.error());
  boost::json::array pools = list_of(*answer, "pools");
  for (auto& pool : pools) {
    if (!pool.is_object()) continue;
    pool.as_object()["summary"] = summary_of(pool.as_object(), options);
  }
  if (context.json) {
    std::cout << boost::json::serialize(pools) << '\n';
    return 0;
  }
  pool_table(pools).print(std::cout);
  return 0;
}

}  // namespace berth::cli
