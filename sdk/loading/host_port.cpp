// SPDX-License-Identifier: Apache-2.0
#include "sdk/loading/host_port.hpp"

#include <utility>

#include "sdk/loading/host_side.hpp"
#include "sdk/loading/library.hpp"

namespace berth::loading {

HostPort::HostPort()
    : table_{sizeof(berth_host), BERTH_ABI_MAJOR, BERTH_ABI_MINOR, this,
             &on_complete,       &on_emit,        &on_log} {}

void HostPort::connect(std::shared_ptr<HostSide> host) {
  const std::lock_guard lock(mutex_);
  host_ = std::move(host);
}

void HostPort::disconnect() {
  std::shared_ptr<HostSide> last;  // goes after the lock
  const std::lock_guard lock(mutex_);
  last.swap(host_);
}

std::shared_ptr<HostSide> HostPort::host() {
  const std::lock_guard lock(mutex_);
  if (!host_) ++after_end_;
  return host_;
}

void HostPort::on_complete(void* context, std::uint64_t operation, berth_status status,
                           berth_bytes payload) {
  if (auto host = static_cast<HostPort*>(context)->host())
    host->complete(operation, status, payload);
}

void HostPort::on_emit(void* context, std::uint32_t event, berth_bytes payload) {
  if (auto host = static_cast<HostPort*>(context)->host()) host->emit(event, payload);
}

void HostPort::on_log(void* context, std::int32_t level, berth_bytes message) {
  if (auto host = static_cast<HostPort*>(context)->host()) host->log(level, message);
}

std::uint64_t Library::calls_after_end() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t calls = 0;
  for (const auto& port : retired_) calls += port->calls_after_end();
  return calls;
}

}  // namespace berth::loading
