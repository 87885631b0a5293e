// SPDX-License-Identifier: Apache-2.0
// The other end of the scripted plugin (scripted_host.cpp): gives it orders, reads its journal.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "sdk/runtime/devices/plugin_settings.hpp"
#include "tests/support/host_events.hpp"

namespace berth::runtime::testing {

class PluginOrders {
 public:
  PluginOrders() {
    std::string name = (std::filesystem::temp_directory_path() / "berth-plugin-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    EXPECT_EQ(::mkfifo((directory_ / "orders").c_str(), 0600), 0);
  }
  ~PluginOrders() {
    std::error_code error;
    std::filesystem::remove_all(directory_, error);
  }
  PluginOrders(const PluginOrders&) = delete;
  PluginOrders& operator=(const PluginOrders&) = delete;

  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
  // [plugins.scripted], with what a test adds.
  [[nodiscard]] HostPluginSettings settings(std::map<std::string, std::string> more = {}) const {
    HostPluginSettings out{.path = BERTH_SCRIPTED_PLUGIN, .settings = std::move(more)};
    out.settings["orders"] = directory_ / "orders";
    out.settings["journal"] = directory_ / "journal";
    return out;
  }
  // Gives an order and waits until it was obeyed. The plugin must be active: a FIFO without a
  // reader takes nothing.
  void give(const std::string& order) const {
    berth::test::HostEvents events;
    events.watch_directory(directory_);
    const int fifo = ::open((directory_ / "orders").c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    ASSERT_GE(fifo, 0) << "nobody takes orders";
    const auto obeyed = [&] {
      const auto all = lines();
      return std::count(all.begin(), all.end(), "obeyed " + order);
    };
    const auto before = obeyed();
    const std::string line = order + "\n";
    EXPECT_EQ(::write(fifo, line.data(), line.size()), static_cast<ssize_t>(line.size()));
    ::close(fifo);
    EXPECT_TRUE(events.until([&] { return obeyed() > before; }, std::chrono::seconds(20))) << order;
  }
  // Waits until the agent has made a call.
  [[nodiscard]] bool called(const std::string& call) const {
    berth::test::HostEvents events;
    events.watch_directory(directory_);
    return events.until(
        [&] {
          const auto all = journal();
          return std::find(all.begin(), all.end(), call) != all.end();
        },
        std::chrono::seconds(20));
  }
  // The calls of the agent.
  [[nodiscard]] std::vector<std::string> journal() const {
    auto all = lines();
    std::erase_if(all, [](const std::string& line) { return line.starts_with("obeyed "); });
    return all;
  }

 private:
  [[nodiscard]] std::vector<std::string> lines() const {
    std::ifstream file(directory_ / "journal");
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
  }

  std::filesystem::path directory_;
};

}  // namespace berth::runtime::testing
