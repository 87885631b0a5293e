// SPDX-License-Identifier: Apache-2.0
// All CDI files of a host: which devices they describe, and what is wrong with them.
//
// Invariants: 1. A bad file hides no other. 2. Of two directories the later one wins; of two files
// of one directory that describe the same device neither does, and both are named. 3. A file that
// was good keeps counting as it was while it cannot be read: tools write them in place.
// Threads: one at a time.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "berth/result.hpp"
#include "sdk/cdi/spec.hpp"

namespace berth::cdi {

// A device with the file that describes it.
struct Entry {
  std::shared_ptr<const Spec> spec;
  const Device* device = nullptr;  // one of spec's
  std::string file;

  // "vendor.example/class=name"
  [[nodiscard]] std::string qualified_name() const { return spec->kind + "=" + device->name; }
};

class Catalog {
 public:
  explicit Catalog(std::vector<std::string> dirs) : dirs_(std::move(dirs)) {}

  // Reads what has changed since the last time. Returns whether anything has.
  bool refresh();

  // The device of this qualified name. Errors: NOT_FOUND; PRECONDITION where files contradict each
  // other.
  [[nodiscard]] sdk::Result<const Entry*> find(const std::string& qualified_name) const;
  // All devices of a kind, by name, but those that files contradict each other about.
  [[nodiscard]] std::vector<const Entry*> of_kind(std::string_view kind) const;
  [[nodiscard]] std::set<std::string> kinds() const;

  // What is wrong with files, a line each: "FILE: why".
  [[nodiscard]] const std::vector<std::string>& problems() const { return problems_; }
  // For errors: "/etc/cdi and /var/run/cdi".
  [[nodiscard]] std::string places() const;

 private:
  struct File {
    std::string state;  // of the last reading: changes when the file does
    std::shared_ptr<const Spec> spec;
    std::string problem;
  };

  [[nodiscard]] std::vector<std::string> list(const std::string& dir);
  bool read(const std::string& path);
  void index();

  const std::vector<std::string> dirs_;
  std::map<std::string, File> files_;
  std::map<std::string, std::string> dir_problems_;
  std::vector<std::vector<std::string>> order_;  // paths of each directory
  std::map<std::string, Entry> entries_;
  std::map<std::string, std::string> conflicts_;
  std::vector<std::string> problems_;
};

}  // namespace berth::cdi
