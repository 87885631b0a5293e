// SPDX-License-Identifier: Apache-2.0
// berth.credentials/1 as a class: credentials of roles. Derive, override publicly, export
// (plugin.hpp).
//
// Messages and their rules are in berth/v1/credentials.proto. The core says which role is meant: it
// has checked that whoever asks runs a task with it. Nothing of an answer may be logged.
// Threads, life, errors: as Role.
#pragma once

#include "berth/role.hpp"
#include "berth/v1/credentials.pb.h"

namespace berth::sdk {

class Credentials : public Role {
 public:
  static constexpr const char* kInterface = "berth.credentials/1";

  using Role::Role;

  // NOT_FOUND where this plugin does not know the role.
  virtual void assume_role(v1::AssumeRoleRequest request, Completion<v1::RoleCredentials> done) = 0;
};

}  // namespace berth::sdk
