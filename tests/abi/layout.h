/* SPDX-License-Identifier: Apache-2.0
 *
 * The layout of ABI 1.0 on 64-bit machines, asserted by every compiler that sees it. Lines are only ever added.
 */
#include "berth/plugin_abi.h"

#ifdef __cplusplus
#define BERTH_SAME static_assert
#else
#define BERTH_SAME _Static_assert
#endif
#define BERTH_AT(type, member, offset) \
  BERTH_SAME(offsetof(type, member) == (offset), #type "." #member " has moved")

BERTH_SAME(sizeof(void*) == 8, "64-bit only");
BERTH_SAME(sizeof(berth_status) == 4, "berth_status has changed");
BERTH_SAME(sizeof(berth_bytes) == 16, "berth_bytes has changed");
BERTH_AT(berth_bytes, data, 0);
BERTH_AT(berth_bytes, size, 8);
BERTH_SAME(sizeof(berth_host) >= 40, "berth_host has shrunk");
BERTH_AT(berth_host, struct_size, 0);
BERTH_AT(berth_host, abi_major, 4);
BERTH_AT(berth_host, abi_minor, 6);
BERTH_AT(berth_host, context, 8);
BERTH_AT(berth_host, complete, 16);
BERTH_AT(berth_host, emit, 24);
BERTH_AT(berth_host, log, 32);
BERTH_SAME(sizeof(berth_plugin) >= 56, "berth_plugin has shrunk");
BERTH_AT(berth_plugin, struct_size, 0);
BERTH_AT(berth_plugin, abi_major, 4);
BERTH_AT(berth_plugin, abi_minor, 6);
BERTH_AT(berth_plugin, name, 8);
BERTH_AT(berth_plugin, version, 16);
BERTH_AT(berth_plugin, create, 24);
BERTH_AT(berth_plugin, call, 32);
BERTH_AT(berth_plugin, cancel, 40);
BERTH_AT(berth_plugin, destroy, 48);
BERTH_SAME(BERTH_OK == 0 && BERTH_NOT_FOUND == 1 && BERTH_ALREADY_EXISTS == 2 && BERTH_INVALID == 3 &&
               BERTH_PRECONDITION == 4 && BERTH_NO_CAPACITY == 5 && BERTH_UNAVAILABLE == 6 &&
               BERTH_DEADLINE == 7 && BERTH_CANCELLED == 8 && BERTH_DENIED == 9 &&
               BERTH_UNIMPLEMENTED == 10 && BERTH_INTERNAL == 11,
           "a status has changed its number");
BERTH_SAME(BERTH_LOG_DEBUG == 0 && BERTH_LOG_INFO == 1 && BERTH_LOG_WARN == 2 && BERTH_LOG_ERROR == 3,
           "a log level has changed its number");
BERTH_SAME(BERTH_PAYLOAD_MAX == 16u * 1024u * 1024u, "the payload's bound has changed");
