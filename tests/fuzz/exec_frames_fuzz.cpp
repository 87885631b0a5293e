// SPDX-License-Identifier: Apache-2.0
// Messages of an exec websocket, of any bytes: what is taken says the same again.
#include <cstdlib>

#include "core/model/exec_frames.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace berth;  // NOLINT
  const std::string text{reinterpret_cast<const char*>(data), size};
  const auto frame = exec::decode(text);
  if (!frame) return frame.error().message.empty() ? (abort(), 1) : 0;
  if (std::holds_alternative<exec::Unknown>(*frame)) return 0;
  if (exec::encode(*frame) != text) abort();
  return 0;
}
