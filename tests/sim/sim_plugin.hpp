// SPDX-License-Identifier: Apache-2.0
// The host's side of the simulated launch type: the table, called directly, so that nothing but the
// simulation decides what happens when.
#pragma once

#include <dlfcn.h>

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "berth/plugin_abi.h"

namespace berth::sim {

class SimPlugin {
 public:
  struct Ears {
    std::function<void(std::uint64_t operation, berth_status status, std::string payload)>
        completed;
    std::function<void(std::uint32_t event, std::string payload)> heard;
  };

  SimPlugin(const std::string& path, Ears ears) : ears_(std::move(ears)) {
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) throw std::runtime_error(dlerror());
    table_ = static_cast<const berth_plugin*>(dlsym(library, BERTH_PLUGIN_SYMBOL));
    if (table_ == nullptr) throw std::runtime_error(dlerror());
    host_ = {sizeof host_, BERTH_ABI_MAJOR, BERTH_ABI_MINOR, this, &complete, &emit, &log};
  }
  ~SimPlugin() { end(); }
  SimPlugin(const SimPlugin&) = delete;
  SimPlugin& operator=(const SimPlugin&) = delete;

  void begin() { table_->create(&host_, {nullptr, 0}, &instance_); }
  void end() {
    if (instance_ != nullptr) table_->destroy(instance_);
    instance_ = nullptr;
  }
  [[nodiscard]] bool runs() const { return instance_ != nullptr; }

  berth_status call(std::uint32_t method, const std::string& request, std::uint64_t operation) {
    return table_->call(instance_, method, {request.data(), request.size()}, operation, 0);
  }
  // See sim_launch_type.cpp. Requires: it runs.
  std::string command(const std::string& line) {
    call(kMethodSim, line, kCommand);
    return std::move(answer_);
  }

 private:
  static constexpr std::uint32_t kMethodSim = 0x8000;
  static constexpr std::uint64_t kCommand = ~std::uint64_t{0};

  static void complete(void* context, std::uint64_t operation, berth_status status,
                       berth_bytes payload) {
    auto& self = *static_cast<SimPlugin*>(context);
    std::string bytes(static_cast<const char*>(payload.data), payload.size);
    if (operation == kCommand) {
      self.answer_ = std::move(bytes);
    } else {
      self.ears_.completed(operation, status, std::move(bytes));
    }
  }
  static void emit(void* context, std::uint32_t event, berth_bytes payload) {
    static_cast<SimPlugin*>(context)->ears_.heard(
        event, std::string(static_cast<const char*>(payload.data), payload.size));
  }
  static void log(void*, std::int32_t, berth_bytes) {}

  Ears ears_;
  const berth_plugin* table_ = nullptr;
  berth_host host_{};
  void* instance_ = nullptr;
  std::string answer_;
};

}  // namespace berth::sim
