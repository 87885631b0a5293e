// SPDX-License-Identifier: Apache-2.0
#include <boost/json.hpp>
#include <cstdio>

#include "bench/replay/replay.hpp"

namespace berth::replay {
namespace {

constexpr std::int32_t kHeadlines[] = {95, 100, 110, 120, 130};

double decisions_per_second(const Outline& outline) {
  return outline.seconds > 0 ? static_cast<double>(outline.arrivals) / outline.seconds : 0;
}

double placed_percent(const Outline& outline) {
  return 100 * static_cast<double>(outline.gpu_milli_placed) /
         static_cast<double>(outline.gpu_milli);
}

std::string formatted(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

// As a basic string of TOML.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

}  // namespace

std::string as_json(const Outline& outline, const Titles& titles) {
  // Numbers are written here: Boost.JSON would write 5 as 5E0.
  std::string out = "{\"strategy\":" + boost::json::serialize(titles.strategy);
  const auto add = [&out](const std::string& name, const std::string& value) {
    out += ",\"" + name + "\":" + value;
  };
  if (titles.levels) add("levels", std::to_string(*titles.levels));
  add("arrivals", boost::json::serialize(titles.arrivals));
  for (const std::int32_t at : kHeadlines) {
    const std::optional<double> percent = outline.unallocated_percent_at(at);
    add("unallocated_gpu_percent_at_" + std::to_string(at),
        percent ? formatted(*percent, 4) : "null");
  }
  add("allocated_gpu_percent", formatted(placed_percent(outline), 4));
  add("tasks", std::to_string(outline.arrivals));
  add("placed", std::to_string(outline.placed));
  add("failed", std::to_string(outline.failed));
  add("seconds", formatted(outline.seconds, 6));
  add("decisions_per_second", formatted(decisions_per_second(outline), 0));
  std::string curve;
  for (const auto& [percent, allocated] : outline.allocated_percent) {
    curve += (curve.empty() ? "" : ",") + ("{\"arrived_percent\":" + std::to_string(percent)) +
             ",\"allocated_percent\":" + formatted(allocated, 4) + "}";
  }
  add("curve", "[" + curve + "]");
  return out + "}\n";
}

std::string as_table(const Outline& outline, const Titles& titles) {
  std::string out = "STRATEGY   " + titles.strategy;
  if (titles.levels) out += ", " + std::to_string(*titles.levels) + " levels";
  out += "\nARRIVALS   " + titles.arrivals + ": " + std::to_string(outline.arrivals) + " tasks, " +
         std::to_string(outline.placed) + " placed, " + std::to_string(outline.failed) +
         " failed\nSPEED      " + formatted(decisions_per_second(outline), 0) +
         " decisions a second\n\nARRIVED %  UNALLOCATED GPU %\n";
  for (const std::int32_t at : kHeadlines) {
    const std::optional<double> percent = outline.unallocated_percent_at(at);
    char line[64];
    std::snprintf(line, sizeof line, "%9d  %s\n", at,
                  percent ? formatted(*percent, 2).c_str() : "-");
    out += line;
  }
  return out;
}

std::string places_as_csv(const Outline& outline, const Trace& trace, const Arrivals& arrivals) {
  std::string out = "task,node\n";
  for (std::size_t i = 0; i < arrivals.tasks.size(); ++i) {
    out += trace.tasks[arrivals.tasks[i]].name + ",";
    if (outline.places[i]) out += trace.nodes[*outline.places[i]].name;
    out += "\n";
  }
  return out;
}

std::string expected_as_toml(const Trace& trace) {
  std::string out;
  for (const placement::TargetClass& one : target_classes(trace)) {
    out += "[[placement.expected_task]]\ncpu = " + std::to_string(one.ask.cpu) +
           "\nweight = " + std::to_string(one.weight) + "\n";
    if (one.ask.devices > 0) {
      out += one.ask.whole() ? "gpus = " + std::to_string(one.ask.devices)
                             : "gpu_milli = " + std::to_string(one.ask.share_milli);
      out += "\n";
    }
    if (one.ask.models == placement::kAnyModel) continue;
    out += "models = [";
    const char* comma = "";
    for (const std::string& model : models_of(trace, one.ask.models)) {
      out += comma + quoted(model);
      comma = ", ";
    }
    out += "]\n";
  }
  return out;
}

}  // namespace berth::replay
