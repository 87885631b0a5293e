// SPDX-License-Identifier: Apache-2.0
// How a pull learns where an image may come from and with which credentials: the registry plugin,
// seen from a host.
//
// The agent implements it by asking the control plane; tests by a table.
// Threads: any, several at a time; both calls block until there is an answer or none will come.
// Errors: whatever the plugin answered. DENIED for credentials that are refused or cannot be had; a
// retryable status makes the pull ask again.
#pragma once

#include "berth/result.hpp"

namespace berth::v1 {
class AuthorizeRequest;
class AuthorizeResponse;
class MirrorsRequest;
class MirrorsResponse;
}  // namespace berth::v1

namespace berth::runtime::image {

class RegistryAccess {
 public:
  virtual ~RegistryAccess() = default;

  // The endpoints of one repository, best first. None is an error of the pull.
  [[nodiscard]] virtual sdk::Result<v1::MirrorsResponse> mirrors(
      const v1::MirrorsRequest& request) = 0;

  // The value of Authorization for one endpoint; empty to go without.
  [[nodiscard]] virtual sdk::Result<v1::AuthorizeResponse> authorize(
      const v1::AuthorizeRequest& request) = 0;
};

}  // namespace berth::runtime::image
