/* SPDX-License-Identifier: Apache-2.0
 *
 * A whole registry plugin in plain C, written against nothing but plugin_abi.h. Each file of this folder includes it
 * with one defect switched on; minimal.c has none and must pass every rule.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "berth/plugin_abi.h"

#ifndef NAME
#define NAME "minimal"
#endif
#ifndef VERSION
#define VERSION "1.0.0"
#endif
#ifndef MANIFEST_NAME
#define MANIFEST_NAME NAME
#endif

enum { DESCRIBE = 1, ACTIVATE = 2, ANSWER = 3, WRITE = 4, CREDIT = 5, MIRRORS = 0x300, AUTHORIZE = 0x301 };

struct job {
  uint64_t operation;
  uint32_t method;
  struct job* next;
};

struct instance {
  const berth_host* host;
  pthread_t creator;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  pthread_t thread;
  int running;
  int ending;
  struct job* jobs;
};

/* Whether the bytes are fields of a message, one after the other; fields and types beyond that are not looked at. */
static int is_message(const unsigned char* at, size_t size) {
  while (size > 0) {
    uint64_t parts[2] = {0, 0};
    for (int part = 0; part < 2; ++part) { /* key, then varint or length */
      int shift = 0;
      for (;; shift += 7, ++at, --size) {
        if (size == 0 || shift > 63) return 0;
        parts[part] |= (uint64_t)(*at & 0x7f) << shift;
        if (*at < 0x80) break;
      }
      ++at, --size;
      if (part == 0 && (parts[0] & 7) != 0 && (parts[0] & 7) != 2) break;
    }
    if (parts[0] >> 3 == 0) return 0;
    size_t skip = 0;
    switch (parts[0] & 7) {
      case 0: break;
      case 1: skip = 8; break;
      case 2: skip = parts[1]; break;
      case 5: skip = 4; break;
      default: return 0;
    }
    if (skip > size) return 0;
    at += skip, size -= skip;
  }
  return 1;
}

static int has_text(berth_bytes bytes, const char* text) {
  const size_t length = strlen(text);
  for (size_t i = 0; i + length <= bytes.size; ++i) {
    if (memcmp((const char*)bytes.data + i, text, length) == 0) return 1;
  }
  return 0;
}

static void say(const berth_host* host, const char* words) {
  berth_bytes message = {words, strlen(words)};
  host->log(host->context, BERTH_LOG_ERROR, message);
}

static void finish(struct instance* self, uint64_t operation, berth_status status) {
  const berth_bytes nothing = {NULL, 0};
  self->host->complete(self->host->context, operation, status, nothing);
#ifdef DEFECT_COMPLETES_TWICE
  self->host->complete(self->host->context, operation, status, nothing);
#endif
}

/* A Manifest: 1 name, 2 version, 6 interface {1 id, 2 methods, 5 registry_hosts}. */
static void describe(struct instance* self, uint64_t operation) {
  char bytes[512];
  size_t size = 0;
#define TEXT(field, text)                                              \
  do {                                                                 \
    bytes[size++] = (char)((field) << 3 | 2);                          \
    bytes[size++] = (char)strlen(text);                                \
    memcpy(bytes + size, text, strlen(text)), size += strlen(text);    \
  } while (0)
  TEXT(1, MANIFEST_NAME);
  TEXT(2, VERSION);
  bytes[size++] = 6 << 3 | 2;
  const size_t length_at = size++;
  TEXT(1, "berth.registry/1");
#ifdef DEFECT_DECLARES_TOO_MUCH
  static const char kMethods[] = {2 << 3 | 2, 6, (char)0x80, 6, (char)0x81, 6, (char)0x82, 6};
#elif defined(DEFECT_DECLARES_TOO_LITTLE)
  static const char kMethods[] = {2 << 3 | 2, 2, (char)0x80, 6};
#else
  static const char kMethods[] = {2 << 3 | 2, 4, (char)0x80, 6, (char)0x81, 6};
#endif
  memcpy(bytes + size, kMethods, sizeof kMethods), size += sizeof kMethods;
  TEXT(5, "*");
  bytes[length_at] = (char)(size - length_at - 1);
#undef TEXT
  const berth_bytes manifest = {bytes, size};
  self->host->complete(self->host->context, operation, BERTH_OK, manifest);
}

/* Answers what is queued; mirrors: none, authorize: an empty header. */
static void* work(void* argument) {
  struct instance* self = argument;
  pthread_mutex_lock(&self->mutex);
  while (!self->ending) {
    struct job* job = self->jobs;
    if (job == NULL) {
      pthread_cond_wait(&self->changed, &self->mutex);
      continue;
    }
    self->jobs = job->next;
#ifdef DEFECT_FORGETS_OPEN_CALLS
    /* A while for destroy to come, so that something is open then. */
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 20000000;
    until.tv_sec += until.tv_nsec / 1000000000, until.tv_nsec %= 1000000000;
    while (!self->ending && pthread_cond_timedwait(&self->changed, &self->mutex, &until) == 0) continue;
    if (self->ending) {
      free(job);
      break;
    }
#endif
    pthread_mutex_unlock(&self->mutex);
    finish(self, job->operation, BERTH_OK);
    free(job);
    pthread_mutex_lock(&self->mutex);
  }
  pthread_mutex_unlock(&self->mutex);
  return NULL;
}

#ifdef DEFECT_LEAVES_A_THREAD
static void* idle(void* argument) {
  (void)argument;
  for (;;) pause();
  return NULL;
}
#endif

#if defined(DEFECT_SECOND_CREATE_FAILS) || defined(DEFECT_ONE_AT_A_TIME)
static int created;
#endif
#ifdef DEFECT_SHARES_ITS_HOST
static const berth_host* shared_host;
#endif

static berth_status create(const berth_host* host, berth_bytes config, void** instance) {
#ifdef DEFECT_CRASHES_IN_CREATE
  abort();
#endif
#ifdef DEFECT_HANGS_IN_CREATE
  for (;;) pause();
#endif
#ifdef DEFECT_WANTS_SETTINGS
  if (config.size == 0) return BERTH_INVALID;
#endif
#ifdef DEFECT_SECOND_CREATE_FAILS
  /* Two is what a look at the manifest and a start take: the third round is refused. */
  if (++created > 3) return BERTH_PRECONDITION;
#endif
#ifdef DEFECT_ONE_AT_A_TIME
  if (created++ > 0) return BERTH_PRECONDITION;
#endif
#ifdef DEFECT_LEAKS_DESCRIPTORS
  if (dup(2) < 0) return BERTH_INTERNAL;
#endif
#ifndef DEFECT_TAKES_ANY_CONFIG
  if (!is_message(config.data, config.size)) return BERTH_INVALID;
  if (has_text(config, "no-such-setting")) {
    say(host, "unknown setting no-such-setting");
    return BERTH_INVALID;
  }
#endif
  struct instance* self = calloc(1, sizeof *self);
  self->host = host;
  self->creator = pthread_self();
#ifdef DEFECT_SHARES_ITS_HOST
  if (shared_host != NULL) self->host = shared_host;
  shared_host = host;
#endif
  pthread_mutex_init(&self->mutex, NULL);
  pthread_cond_init(&self->changed, NULL);
#ifdef DEFECT_EMITS_EARLY
  const berth_bytes nothing = {NULL, 0};
  host->emit(host->context, 3, nothing);
#endif
  *instance = self;
  return BERTH_OK;
}

static berth_status call(void* instance, uint32_t method, berth_bytes request, uint64_t operation,
                         uint32_t timeout_ms) {
  struct instance* self = instance;
  (void)timeout_ms;
#ifdef DEFECT_TAKES_UNKNOWN_METHODS
  if (method > 5 && method != MIRRORS && method != AUTHORIZE) {
    finish(self, operation, BERTH_OK);
    return BERTH_OK;
  }
#endif
#ifdef DEFECT_COMPLETES_WHAT_IT_REFUSES
  if (method == CREDIT) {
    finish(self, operation, BERTH_NOT_FOUND);
    return BERTH_NOT_FOUND;
  }
#endif
  if ((method < DESCRIBE || method > CREDIT) && method != MIRRORS && method != AUTHORIZE) {
    return BERTH_UNIMPLEMENTED;
  }
#ifdef DEFECT_CRASHES_ON_GARBAGE
  if (!is_message(request.data, request.size)) abort();
#endif
#ifndef DEFECT_TAKES_GARBAGE
  if (!is_message(request.data, request.size)) return BERTH_INVALID;
#endif
#ifdef DEFECT_REFUSES_UNKNOWN_FIELDS
  if (has_text(request, "new")) return BERTH_INVALID;
#endif
  switch (method) {
    case DESCRIBE:
#ifdef DEFECT_LOSES_CALLS_OF_THREADS
      if (!pthread_equal(self->creator, pthread_self())) return BERTH_OK;
#endif
      describe(self, operation);
      return BERTH_OK;
    case ACTIVATE:
#ifndef DEFECT_ACTIVATES_AGAIN
      if (self->running) {
        finish(self, operation, BERTH_PRECONDITION);
        return BERTH_OK;
      }
#endif
      if (!self->running) pthread_create(&self->thread, NULL, &work, self);
      self->running = 1;
#ifdef DEFECT_LEAVES_A_THREAD
      pthread_t stray;
      pthread_create(&stray, NULL, &idle, NULL);
#endif
      finish(self, operation, BERTH_OK);
      return BERTH_OK;
    case ANSWER:
    case WRITE:
    case CREDIT: finish(self, operation, BERTH_NOT_FOUND); return BERTH_OK;
    default: break;
  }
#ifdef DEFECT_NEVER_COMPLETES
  if (method == AUTHORIZE) return BERTH_OK;
#endif
#ifdef DEFECT_SENDS_NULL
  if (method == AUTHORIZE) {
    const berth_bytes wrong = {NULL, 7};
    self->host->complete(self->host->context, operation, BERTH_OK, wrong);
    return BERTH_OK;
  }
#endif
  struct job* job = calloc(1, sizeof *job);
  job->operation = operation;
  job->method = method;
  pthread_mutex_lock(&self->mutex);
  job->next = self->jobs;
  self->jobs = job;
  pthread_cond_signal(&self->changed);
  pthread_mutex_unlock(&self->mutex);
  return BERTH_OK;
}

static void cancel(void* instance, uint64_t operation) {
#ifdef DEFECT_CANCEL_COMPLETES_TOO
  finish(instance, operation, BERTH_CANCELLED);
#else
  (void)instance, (void)operation; /* all ends soon by itself */
#endif
}

static void destroy(void* instance) {
  struct instance* self = instance;
  if (self->running) {
    pthread_mutex_lock(&self->mutex);
    self->ending = 1;
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->mutex);
    pthread_join(self->thread, NULL);
  }
  while (self->jobs != NULL) {
    struct job* job = self->jobs;
    self->jobs = job->next;
#ifndef DEFECT_FORGETS_OPEN_CALLS
    finish(self, job->operation, BERTH_CANCELLED);
#endif
    free(job);
  }
  pthread_cond_destroy(&self->changed);
  pthread_mutex_destroy(&self->mutex);
  free(self);
}

#ifndef DEFECT_NO_SYMBOL
const berth_plugin berth_plugin_v1 = {
#ifdef DEFECT_SHORT_TABLE
    16,
#else
    sizeof(berth_plugin),
#endif
#ifdef DEFECT_WRONG_MAJOR
    2,
#else
    BERTH_ABI_MAJOR,
#endif
    BERTH_ABI_MINOR, NAME, VERSION, &create, &call,
#ifdef DEFECT_NULL_SLOT
    NULL,
#else
    &cancel,
#endif
    &destroy};
#endif
