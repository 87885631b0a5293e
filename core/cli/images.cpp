// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iostream>

#include "core/cli/commands.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/listings.hpp"
#include "core/cli/pull_progress.hpp"
#include "core/cli/table.hpp"
#include "core/cli/task_lookup.hpp"
#include "core/cli/terminal.hpp"
#include "core/cli/usage.hpp"

namespace berth::cli {
namespace {

constexpr std::size_t kShortId = 12;

// The ids that were named, each found by its beginning.
Result<boost::json::array> find_instances(ApiClient& api, const Context& context,
                                          const std::vector<std::string>& names) {
  boost::json::array ids;
  if (names.empty()) return ids;
  const auto arns =
      all_arns(api, "ListContainerInstances", input_for(context), "containerInstanceArns");
  if (!arns) return tl::unexpected(arns.error());
  for (const std::string& name : names) {
    const auto found = find_by_beginning(
        *arns, name, {"container instance", "container instances", "`berth agent list`"});
    if (!found) return tl::unexpected(found.error());
    ids.emplace_back(tail_of(*found));
  }
  return ids;
}

void complain_of_failures(const boost::json::object& answer) {
  for (const auto& item : list_of(answer, "failures")) {
    if (!item.is_object()) continue;
    const auto& failure = item.as_object();
    const std::string detail = text_of(failure, "detail");
    std::cerr << "berth: " << text_of(failure, "arn") << ": "
              << (detail.empty() ? text_of(failure, "reason") : detail) << '\n';
  }
}

std::string short_id(const std::string& arn) {
  return tail_of(arn).substr(0, kShortId);
}

std::string short_digest(const std::string& digest) {
  return digest.substr(digest.find(':') + 1).substr(0, kShortId);
}

// "3 hours ago".
std::string ago(double at) {
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  return span_text(now - at) + " ago";
}

std::string tasks_of(const boost::json::object& image) {
  std::string tasks;
  for (const auto& arn : list_of(image, "taskArns")) {
    if (!arn.is_string()) continue;
    tasks += (tasks.empty() ? "" : ",") + short_id(std::string(arn.as_string()));
  }
  return tasks.empty() ? "-" : tasks;
}

void print_images(const boost::json::object& answer) {
  Table table({"INSTANCE", "IMAGE", "DIGEST", "SIZE", "UNIQUE", "PULLED", "LAST USED", "TASKS"});
  for (const auto& item : list_of(answer, "containerInstances")) {
    if (!item.is_object()) continue;
    const std::string instance = short_id(text_of(item.as_object(), "containerInstanceArn"));
    for (const auto& entry : list_of(item.as_object(), "images")) {
      if (!entry.is_object()) continue;
      const auto& image = entry.as_object();
      table.row({instance, text_of(image, "image"), short_digest(text_of(image, "digest")),
                 bytes_text(number_of(image, "sizeBytes")),
                 bytes_text(number_of(image, "uniqueBytes")), ago(number_of(image, "pulledAt")),
                 ago(number_of(image, "lastUsedAt")), tasks_of(image)});
    }
  }
  table.print(std::cout);
  for (const auto& item : list_of(answer, "containerInstances")) {
    if (!item.is_object()) continue;
    const auto& instance = item.as_object();
    std::cout << short_id(text_of(instance, "containerInstanceArn")) << ": "
              << bytes_text(number_of(instance, "storedBytes")) << " stored, "
              << bytes_text(number_of(instance, "freeBytes")) << " free\n";
  }
}

bool is_under_way(const boost::json::object& answer) {
  return std::ranges::any_of(list_of(answer, "pulls"), [](const boost::json::value& pull) {
    return pull.is_object() && text_of(pull.as_object(), "status") == "PULLING";
  });
}

// Of all instances together, as one pull.
boost::json::array progress_of(const boost::json::object& answer, const std::string& image) {
  boost::json::object sum{{"image", image}};
  for (const char* key : {"bytesDone", "bytesTotal", "layersDone", "layersTotal"}) {
    double total = 0;
    for (const auto& pull : list_of(answer, "pulls")) {
      if (pull.is_object()) total += number_of(pull.as_object(), key);
    }
    sum[key] = total;
  }
  return {sum};
}

int print_pulls(const Context& context, const boost::json::object& answer) {
  bool failed = !list_of(answer, "failures").empty();
  Table table({"INSTANCE", "STATUS", "DIGEST", "REASON"});
  for (const auto& item : list_of(answer, "pulls")) {
    if (!item.is_object()) continue;
    const auto& pull = item.as_object();
    failed = failed || text_of(pull, "status") != "PULLED";
    table.row({short_id(text_of(pull, "containerInstanceArn")), text_of(pull, "status"),
               short_digest(text_of(pull, "digest")), text_of(pull, "reason")});
  }
  if (context.json) {
    std::cout << boost::json::serialize(answer) << '\n';
  } else {
    table.print(std::cout);
  }
  complain_of_failures(answer);
  return failed ? 1 : 0;
}

}  // namespace

int list_images(const Context& context, const ImagesOptions& options) {
  ApiClient api(context.api);
  auto input = input_for(context);
  auto ids = find_instances(api, context, options.instances);
  if (!ids) return complain(ids.error());
  if (!ids->empty()) input["containerInstances"] = std::move(*ids);
  const auto answer = api.call("Berth.ListImages", input);
  if (!answer) return complain(answer.error());
  if (context.json) {
    std::cout << boost::json::serialize(*answer) << '\n';
  } else {
    print_images(*answer);
  }
  complain_of_failures(*answer);
  return list_of(*answer, "failures").empty() ? 0 : 1;
}

int pull_image(const Context& context, const ImagesOptions& options) {
  ApiClient api(context.api);
  auto input = input_for(context);
  auto ids = find_instances(api, context, options.instances);
  if (!ids) return complain(ids.error());
  if (ids->empty() && !options.all) {
    const auto arns = all_arns(api, "ListContainerInstances", input_for(context), "containerInstanceArns");
    if (!arns) return complain(arns.error());
    if (arns->size() != 1) {
      return complain({Errc::Invalid,
                       "the cluster has " + std::to_string(arns->size()) +
                           " container instances: say --instance or --all",
                       Subject::Request,
                       {},
                       {}});
    }
  }
  if (!ids->empty()) input["containerInstances"] = std::move(*ids);
  input["image"] = options.image;
  if (!options.execution_role.empty()) input["executionRoleArn"] = options.execution_role;
  if (!options.credentials.empty()) input["credentialsParameter"] = options.credentials;
  PullProgress progress(std::cerr, columns_of(STDERR_FILENO));
  for (;;) {
    const auto answer = api.call("Berth.PullImage", input);
    if (!answer) {
      progress.end();
      return complain(answer.error());
    }
    if (!is_under_way(*answer)) {
      progress.end();
      return print_pulls(context, *answer);
    }
    progress.show(progress_of(*answer, options.image));
    input["pullId"] = text_of(*answer, "pullId");
  }
}

int prune_images(const Context& context, const ImagesOptions& options) {
  ApiClient api(context.api);
  auto input = input_for(context);
  auto ids = find_instances(api, context, options.instances);
  if (!ids) return complain(ids.error());
  if (!ids->empty()) input["containerInstances"] = std::move(*ids);
  if (options.all) input["minAgeSeconds"] = 0;
  if (options.min_age_seconds) input["minAgeSeconds"] = *options.min_age_seconds;
  const auto answer = api.call("Berth.PruneImages", input);
  if (!answer) return complain(answer.error());
  if (context.json) {
    std::cout << boost::json::serialize(*answer) << '\n';
  } else {
    for (const auto& item : list_of(*answer, "containerInstances")) {
      if (!item.is_object()) continue;
      const auto& pruned = item.as_object();
      const std::string instance = short_id(text_of(pruned, "containerInstanceArn"));
      for (const auto& image : list_of(pruned, "images")) {
        if (image.is_string())
          std::cout << instance << ": removed " << image.as_string().c_str() << '\n';
      }
      std::cout << instance << ": " << bytes_text(number_of(pruned, "freedBytes")) << " freed\n";
    }
  }
  complain_of_failures(*answer);
  return list_of(*answer, "failures").empty() ? 0 : 1;
}

}  // namespace berth::cli
