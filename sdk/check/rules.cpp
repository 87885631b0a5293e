// SPDX-License-Identifier: Apache-2.0
#include "sdk/check/rules.hpp"

namespace berth::check {

const std::vector<Rule>& rules() {
  static const std::vector<Rule> kRules{
      {"load.opens", "The library loads with all symbols resolved.", &load_opens, true},
      {"load.symbol", "It exports berth_plugin_v1 and nothing else.", &load_symbol},
      {"table.layout", "Its table is whole and of this ABI major.", &table_layout, true},
      {"table.name", "Name and version have the form that the header demands.", &table_name, true},
      {"life.create", "create succeeds without settings, and destroy returns.", &life_create, true},
      {"life.config", "create refuses unreadable bytes and unknown settings.", &life_config},
      {"life.quiet", "Nothing happens before activate: no event, no thread.", &life_quiet},
      {"life.repeat", "create and destroy can follow each other, and keep no descriptor.",
       &life_repeat},
      {"life.two", "Two instances live side by side.", &life_two},
      {"life.destroy", "destroy completes what is open, once, and nothing comes after it.",
       &life_destroy},
      {"life.threads", "destroy leaves no thread.", &life_threads},
      {"manifest.describe", "The manifest is whole and says what the table says.",
       &manifest_describe, true},
      {"manifest.methods", "Declared methods are there, others answer UNIMPLEMENTED.",
       &manifest_methods},
      {"call.once", "What is taken completes exactly once, what is refused never.", &call_once},
      {"call.unknown", "An unknown method answers UNIMPLEMENTED.", &call_unknown},
      {"call.garbage", "Bytes that are no request answer INVALID and do no harm.", &call_garbage},
      {"call.cancel", "A cancelled call still completes exactly once.", &call_cancel},
      {"call.threads", "Calls from several threads at once complete exactly once each.",
       &call_threads},
      {"call.activate-once", "A second activate is refused.", &call_activate_once},
      {"message.unknown-fields", "Fields from the future change no answer.",
       &message_unknown_fields},
      {"launch.plan", "plan is a pure function of its request.", &launch_plan},
      {"launch.unknown-task", "A task that was never started is unknown, and no stop starts it.",
       &launch_unknown_task},
      {"launch.inventory", "The inventory comes when the host asks what is owned, and moves on.",
       &launch_inventory}};
  return kRules;
}

}  // namespace berth::check
