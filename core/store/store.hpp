// SPDX-License-Identifier: Apache-2.0
// Durable records: batches of changes go in, a snapshot comes back.
//
// A store knows keys and bytes, not what they mean. Keys are ordered within a kind.
// Invariants: 1. Batches become durable in the order of append, each whole or not at all. 2. A
// batch of an epoch older than the newest one seen is refused (a control plane that lost its
// leadership writes nothing).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/model/error.hpp"

namespace berth::store {

// The kinds of records. Numbers are on disk and never reused.
enum class Kind : std::uint8_t {
  Cluster = 1,
  Family = 2,
  Definition = 3,
  Task = 4,
  Instance = 5,
  Token = 6,
  Service = 7,
  Deployment = 8,  // of a service
};

struct Change {
  Kind kind;
  std::string key;
  std::string value;   // a serialised message of core/model/proto/berth/model/stored.proto
  bool erase = false;  // value is empty
};

using Batch = std::vector<Change>;
using Sequence = std::uint64_t;  // of batches, from 1, without gaps
using Epoch = std::uint64_t;     // of writers

struct Record {
  Kind kind;
  std::string key;
  std::string value;
};

// All that is durable.
struct Loaded {
  Epoch epoch = 0;               // the one under which this control plane may write
  Sequence sequence = 0;         // of the last durable batch
  std::vector<Record> snapshot;  // ordered by kind and key
  std::vector<Batch> tail;  // batches that came after the snapshot, in order; empty where the store
                            // folds them itself
};

// Threads: load and append from one thread (the loop); `done` is called on a thread of the store's.
class Store {
 public:
  virtual ~Store() = default;

  // Reads everything and opens a new epoch. Once, before the first append.
  // Errors: Precondition for a file of a newer version, Internal for a damaged one; nothing is
  // changed then.
  [[nodiscard]] virtual Result<Loaded> load() = 0;

  // Queues a batch; `done` is called once, in the order of append, when it is durable or has
  // failed. After a failure no later batch succeeds: the owner must stop, load again and go on from
  // there.
  virtual void append(Epoch epoch, Batch batch, std::function<void(Result<Sequence>)> done) = 0;
};

}  // namespace berth::store
