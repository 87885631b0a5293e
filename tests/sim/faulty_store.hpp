// SPDX-License-Identifier: Apache-2.0
// The simulation's store: a MemoryStore, with a defect where one is planted.
#pragma once

#include <functional>
#include <utility>

#include "berth/model/stored.pb.h"
#include "core/model/task_status.hpp"
#include "tests/sim/simulation.hpp"
#include "tests/support/memory_store.hpp"

namespace berth::sim {

class Simulation::FaultyStore final : public store::Store {
 public:
  using Reader = std::function<void(const store::Batch&)>;  // of each batch, before any defect
  FaultyStore(test::MemoryDisk& disk, Defect defect, Reader reader)
      : inner_(disk), defect_(defect), reader_(std::move(reader)) {}

  Result<store::Loaded> load() override { return inner_.load(); }

  void append(store::Epoch epoch, store::Batch batch,
              std::function<void(Result<store::Sequence>)> done) override {
    reader_(batch);
    if (defect_ == Defect::LostProtection || defect_ == Defect::LostPins) forget_parts(batch);
    if (defect_ == Defect::LostTokens) {
      std::erase_if(batch, [](const auto& change) { return change.kind == store::Kind::Token; });
    }
    if (defect_ == Defect::LostEnds) {
      std::erase_if(batch, [](const auto& change) {
        model::StoredTask task;
        return change.kind == store::Kind::Task && !change.erase &&
               task.ParseFromString(change.value) &&
               task.last_status() == static_cast<int>(TaskStatus::Stopped);
      });
    }
    if (defect_ == Defect::EarlyAcknowledgement) {
      done(store::Sequence{1});
      done = [](Result<store::Sequence>) {};
    }
    inner_.append(epoch, std::move(batch), std::move(done));
  }

  [[nodiscard]] std::size_t waiting() const { return inner_.waiting(); }
  void sync_one() { inner_.sync_one(); }
  void sync() { inner_.sync(); }
  void crash(std::size_t kept) { inner_.crash(kept); }
  void fail(Error error) {
    failing_ = true;
    inner_.fail(std::move(error));
  }
  [[nodiscard]] bool failing() const { return failing_; }

 private:
  void forget_parts(store::Batch& batch) const {
    for (store::Change& change : batch) {
      if (change.erase) continue;
      if (defect_ == Defect::LostProtection && change.kind == store::Kind::Task) {
        model::StoredTask task;
        task.ParseFromString(change.value);
        task.clear_protected_until();
        change.value = task.SerializeAsString();
      }
      if (defect_ == Defect::LostPins && change.kind == store::Kind::Deployment) {
        model::StoredServiceDeployment deployment;
        deployment.ParseFromString(change.value);
        deployment.clear_images();
        change.value = deployment.SerializeAsString();
      }
    }
  }

  test::MemoryStore inner_;
  Defect defect_;
  Reader reader_;
  bool failing_ = false;
};

}  // namespace berth::sim
