// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/logship/name_lookup.hpp"

#include <netdb.h>

#include <condition_variable>
#include <cstring>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

namespace berth::runtime {

struct NameLookup::Answer {
  std::mutex mutex;
  std::condition_variable_any told;
  std::optional<Addresses> addresses;
};

NameLookup::NameLookup(std::string host, std::uint16_t port, int type, Resolve resolve)
    : host_(std::move(host)), port_(port), type_(type), resolve_(std::move(resolve)) {}

NameLookup::Addresses NameLookup::ask_system(const std::string& host, std::uint16_t port,
                                             int type) {
  addrinfo hints{};
  hints.ai_socktype = type;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) return sdk::fail(BERTH_UNAVAILABLE, ::gai_strerror(error));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, ::freeaddrinfo);
  std::vector<SocketAddress> out;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    SocketAddress& address = out.emplace_back();
    address.size = one->ai_addrlen;
    std::memcpy(&address.bytes, one->ai_addr, one->ai_addrlen);
  }
  return out;
}

NameLookup::Addresses NameLookup::addresses(std::chrono::milliseconds patience,
                                            std::stop_token cancel) {
  if (!pending_) {
    auto answer = std::make_shared<Answer>();
    try {
      std::thread([answer, resolve = resolve_, host = host_, port = port_, type = type_] {
        auto addresses = resolve(host, port, type);
        const std::lock_guard lock(answer->mutex);
        answer->addresses = std::move(addresses);
        answer->told.notify_all();
      }).detach();
    } catch (const std::system_error& error) {
      return sdk::fail(BERTH_UNAVAILABLE, std::string("no thread: ") + error.what());
    }
    pending_ = std::move(answer);
  }
  const auto answer = pending_;
  std::unique_lock lock(answer->mutex);
  const bool told =
      answer->told.wait_for(lock, cancel, patience, [&] { return answer->addresses.has_value(); });
  if (!told && cancel.stop_requested()) return sdk::fail(BERTH_CANCELLED, "cancelled");
  if (!told) {
    return sdk::fail(BERTH_DEADLINE,
                     "its name is not resolved after " + std::to_string(patience.count()) + " ms");
  }
  pending_.reset();
  return std::move(*answer->addresses);
}

}  // namespace berth::runtime
