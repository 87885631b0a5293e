// SPDX-License-Identifier: Apache-2.0
// Viewer: makes views of the books.
//
// Keeps the last view, so that the next one shares what did not change. Threads: one at a time with
// whatever changes the books.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/placement/books.hpp"
#include "core/placement/dirty_nodes.hpp"
#include "core/placement/view.hpp"

namespace berth::placement {

class Viewer {
 public:
  // The books live longer.
  explicit Viewer(Books& books);
  ~Viewer();
  Viewer(const Viewer&) = delete;
  Viewer& operator=(const Viewer&) = delete;

  // The nodes as they are now; the same view again where nothing changed.
  [[nodiscard]] std::shared_ptr<const View> view();

 private:
  [[nodiscard]] std::vector<std::uint32_t> changed() const;
  void forget_changed_classes();
  [[nodiscard]] std::shared_ptr<const ViewNode> make_node(std::uint32_t node);
  void count_groups(std::uint32_t node, ViewNode& out);
  [[nodiscard]] const std::shared_ptr<const NodeClass>& class_of(std::uint32_t node);
  [[nodiscard]] const std::shared_ptr<const std::string>& group_name(Tally::Set set);
  void find_by_id(const View& before, View& view, const std::vector<std::uint32_t>& nodes) const;

  Books& books_;
  DirtyNodes dirty_;
  std::shared_ptr<const View> last_;
  std::vector<std::shared_ptr<const NodeClass>> classes_;  // by number; null: not asked yet
  std::uint64_t seen_classes_ = ChangeLog::kNothingSeen;
  std::vector<std::shared_ptr<const std::string>> group_names_;  // by set, as it was last asked
};

}  // namespace berth::placement
