// SPDX-License-Identifier: Apache-2.0
// berth.registry/1 as a class: where images come from, with which credentials. Derive, override
// publicly, export (plugin.hpp).
//
// Messages and their rules are in berth/v1/registry.proto. describe() must give registry_hosts.
// Threads, life, errors: as Role.
#pragma once

#include "berth/role.hpp"

namespace berth::sdk {

class Registry : public Role {
 public:
  static constexpr const char* kInterface = "berth.registry/1";

  using Role::Role;

  virtual void mirrors(v1::MirrorsRequest request, Completion<v1::MirrorsResponse> done) = 0;
  virtual void authorize(v1::AuthorizeRequest request, Completion<v1::AuthorizeResponse> done) = 0;
};

}  // namespace berth::sdk
