// SPDX-License-Identifier: Apache-2.0
// Streams between plugins and whoever opened them: numbers them, gives each its chunks and its end,
// passes credit and input back.
//
// Invariants: 1. An opener hears of a stream on the loop, in order, and of its end exactly once;
// after its Handle is gone it hears nothing. 2. Destroying a Handle cancels the call. Threads: open
// and Handle: any; chunk: loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "berth/v1/stream.pb.h"
#include "core/daemon/plugin_set.hpp"

namespace berth::daemon {

class PluginStreams {
 public:
  struct Opening {
    PluginName plugin;
    std::uint32_t method = 0;
    std::function<std::string(std::uint64_t stream)>
        request{};                                           // serialised, with the stream's number
    std::function<Result<void>(v1::StreamChunk&&)> chunk{};  // an error ends the stream with it
    std::function<void(Result<std::string>)> end{};          // the response, serialised
  };
  struct Stream;
  struct Table;

  class Handle {
   public:
    Handle(std::weak_ptr<Table> table, std::shared_ptr<Stream> stream);
    ~Handle();
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    void grant(std::uint32_t bytes);
    void write(v1::StreamWrite input);

   private:
    void on_loop(std::function<void(Table&)> work);
    std::weak_ptr<Table> table_;
    std::shared_ptr<Stream> stream_;
  };

  // `post` runs work on the loop; both must outlive this.
  PluginStreams(PluginSet& plugins, std::function<void(std::function<void()>)> post);
  ~PluginStreams();

  [[nodiscard]] std::unique_ptr<Handle> open(Opening opening);
  // A serialised v1::StreamChunk; of an unknown stream it is dropped.
  void chunk(std::string_view payload);

 private:
  std::shared_ptr<Table> table_;
};

}  // namespace berth::daemon
