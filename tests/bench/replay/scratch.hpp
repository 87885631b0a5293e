// SPDX-License-Identifier: Apache-2.0
// Files of a test, in a directory that goes with it; and the made-up cluster of
// bench/replay/example.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include "bench/replay/trace.hpp"

namespace berth::replay {

class Scratch {
 public:
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "berth-replay-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  [[nodiscard]] std::string path(const std::string& name) const { return path_ + "/" + name; }
  std::string write(const std::string& name, const std::string& content) const {
    std::ofstream(path(name), std::ios::binary) << content;
    return path(name);
  }

 private:
  std::string path_;
};

inline Trace example_trace() {
  const std::string folder = BERTH_REPLAY_EXAMPLE;
  return read_openb(folder + "/nodes.csv", folder + "/tasks.csv").value();
}
inline Arrivals example_arrivals() {
  return {.nodes = {0, 1, 2}, .tasks = {0, 1, 2, 3, 4, 5}};
}

}  // namespace berth::replay
