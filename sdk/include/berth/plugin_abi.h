/* SPDX-License-Identifier: Apache-2.0
 *
 * The Berth plugin boundary, ABI major 1: plain C, nothing but fixed-width integers and sizes.
 *
 * A plugin is one shared library that exports exactly one symbol, the constant `berth_plugin_v1`
 * (struct berth_plugin). Its host is a program that loads it: berthd or berth-agent, or
 * berth-plugin-host, which carries the same bytes over a socket. Nothing here lets one side see the
 * other's memory longer than a call, so both hosts look the same to a plugin.
 *
 * Conventions
 *  1. Bytes given to a function belong to the caller and are valid until that function returns.
 *  2. Payloads are Protobuf messages of berth/v1 (sdk/proto). A receiver ignores fields and enumerators that it
 *     does not know, and passes unknown fields on where it passes the message on.
 *     No payload exceeds BERTH_PAYLOAD_MAX bytes.
 *  3. Tables start with struct_size, only ever grow at their end, and a reader tests struct_size before it
 *     uses a slot. A slot within struct_size may still be null only where its comment says so.
 *  4. Thread tags: [init] one call at a time, never at the same time as any other call on the same instance;
 *     [any] from any thread, also at the same time as others and from within a call of the other side.
 *  5. No function blocks for longer than it takes to copy and queue its input. Slow work is done on the
 *     plugin's own threads and ends with `complete`.
 *  6. Nothing is thrown across the boundary.
 *
 * Compatibility: a host of ABI 1.x loads every plugin of ABI 1.y. A slot is deprecated for two minors
 * before it is refused. tests/abi holds a golden copy of the layout.
 */
#ifndef BERTH_PLUGIN_ABI_H
#define BERTH_PLUGIN_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BERTH_ABI_MAJOR 1
#define BERTH_ABI_MINOR 0
#define BERTH_PLUGIN_SYMBOL "berth_plugin_v1"
#define BERTH_PAYLOAD_MAX (16u * 1024u * 1024u)

/* A view of bytes. data may be null only when size is 0. */
typedef struct berth_bytes {
  const void* data;
  size_t size;
} berth_bytes;

/* How a call or an operation ended. Values outside this list are treated as BERTH_INTERNAL.
 * With any status but BERTH_OK the payload of a completion is empty or a berth.v1.Failure. */
typedef int32_t berth_status;
enum {
  BERTH_OK = 0,
  BERTH_NOT_FOUND = 1,
  BERTH_ALREADY_EXISTS = 2,
  BERTH_INVALID = 3,        /* the request can never succeed as it is */
  BERTH_PRECONDITION = 4,   /* the state of what it names does not allow it */
  BERTH_NO_CAPACITY = 5,    /* nothing free now; may be asked again later */
  BERTH_UNAVAILABLE = 6,    /* passing fault; may be asked again later */
  BERTH_DEADLINE = 7,       /* timeout_ms ran out */
  BERTH_CANCELLED = 8,      /* cancel or destroy came first */
  BERTH_DENIED = 9,
  BERTH_UNIMPLEMENTED = 10, /* unknown method, or one that this plugin does not offer */
  BERTH_INTERNAL = 11
};

enum { BERTH_LOG_DEBUG = 0, BERTH_LOG_INFO = 1, BERTH_LOG_WARN = 2, BERTH_LOG_ERROR = 3 };

/* What the host gives to an instance. Valid from create until destroy returns. All slots are [any]. */
typedef struct berth_host {
  uint32_t struct_size; /* sizeof(struct berth_host) of the host */
  uint16_t abi_major;
  uint16_t abi_minor;
  void* context; /* first argument of every slot below; the plugin does not look into it */

  /* Ends an operation that `call` accepted. Exactly once for each, also after cancel and at the latest
   * before destroy returns. May be called before `call` itself has returned. An operation number that is
   * not open is ignored by the host and counted as a fault of the plugin. */
  void (*complete)(void* context, uint64_t operation, berth_status status, berth_bytes payload);

  /* Reports an event; `event` is one of the event ids of the interface (berth/v1, enum Event). Events of one thread
   * arrive in their order. Not before `activate` was accepted, not after destroy has returned. */
  void (*emit)(void* context, uint32_t event, berth_bytes payload);

  /* One line of UTF-8 without line end, for the host's log. level is a BERTH_LOG_ value. */
  void (*log)(void* context, int32_t level, berth_bytes message);
} berth_host;

/* What the plugin exports. The table and all that it points to live as long as the library. */
typedef struct berth_plugin {
  uint32_t struct_size; /* sizeof(struct berth_plugin) of the plugin */
  uint16_t abi_major;   /* BERTH_ABI_MAJOR it was built with; others are refused */
  uint16_t abi_minor;
  const char* name;    /* NUL-terminated, [a-z][a-z0-9-]{0,62}: `[plugins.NAME]` in berth.toml */
  const char* version; /* NUL-terminated, at most 64 characters, the vendor's own */

  /* [init] Makes an instance from a berth.v1.PluginConfig. Quick and free of outside effects: no port is
   * opened, no thread need run, before the method `activate`. May be called more than once in a process, also after
   * destroy. On BERTH_OK *instance is set; else nothing is kept. `host` stays valid until destroy returns. */
  berth_status (*create)(const berth_host* host, berth_bytes config, void** instance);

  /* [any] Begins an operation. `method` is one of berth/v1's enum Method. On BERTH_OK the operation is open and ends by
   * host->complete; on any other status it never opened and complete must not be called for it. `operation` is chosen
   * by the host and never used twice. timeout_ms: milliseconds that the host is willing to wait, 0 for no bound;
   * the host may complete its side with BERTH_DEADLINE and still expects the plugin's own completion.
   * Unknown method: BERTH_UNIMPLEMENTED. Bytes that are not the method's request: BERTH_INVALID. */
  berth_status (*call)(void* instance, uint32_t method, berth_bytes request, uint64_t operation,
                       uint32_t timeout_ms);

  /* [any] Asks that an operation end soon. It still completes exactly once, with its result or BERTH_CANCELLED.
   * Unknown or ended operations are ignored. */
  void (*cancel)(void* instance, uint64_t operation);

  /* [init] Ends the instance: completes what is open (BERTH_CANCELLED where it did not end by itself), joins the plugin's
   * threads, then returns. What runs outside (tasks, hosts) goes on. */
  void (*destroy)(void* instance);
} berth_plugin;

#if defined(__GNUC__)
#define BERTH_EXPORT __attribute__((visibility("default")))
#else
#define BERTH_EXPORT
#endif

/* The one symbol. A plugin defines it; hosts find it by name. */
extern BERTH_EXPORT const berth_plugin berth_plugin_v1;

#ifdef __cplusplus
}
#endif

#endif /* BERTH_PLUGIN_ABI_H */
