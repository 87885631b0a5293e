// SPDX-License-Identifier: Apache-2.0
#include "core/placement/viewer.hpp"

#include <algorithm>
#include <bit>
#include <map>
#include <numeric>
#include <utility>

#include "core/placement/remaining.hpp"

namespace berth::placement {
namespace {

constexpr std::uint32_t kNodesInABucket = 8;

void add_to(ViewTotals& totals, const ViewNode* node, std::int64_t sign) {
  if (node == nullptr) return;
  const bool takes = node->state == NodeSpec::State::Active && node->connected;
  totals.nodes += static_cast<std::size_t>(sign);
  totals.taking_tasks += takes ? static_cast<std::size_t>(sign) : 0;
  totals.cpu += sign * node->cpu;
  totals.memory_mib += sign * node->memory_mib;
  totals.cpu_left += sign * node->left.cpu;
  totals.memory_mib_left += sign * node->left.memory_mib;
  totals.tasks += static_cast<std::uint64_t>(sign * std::int64_t{node->left.tasks});
}

}  // namespace

Viewer::Viewer(Books& books) : books_(books) {
  books_.watch(&dirty_);
}
Viewer::~Viewer() {
  books_.unwatch(&dirty_);
}

std::shared_ptr<const View> Viewer::view() {
  if (last_ != nullptr && !dirty_.all() && dirty_.nodes().empty()) return last_;
  const std::vector<std::uint32_t> nodes = changed();
  forget_changed_classes();
  auto view =
      last_ == nullptr || dirty_.all() ? std::make_shared<View>() : std::make_shared<View>(*last_);
  const View before = *view;
  view->end_ = books_.node_end();
  std::vector<SharedArray<ViewNode>::Change> changes;
  changes.reserve(nodes.size());
  for (const std::uint32_t node : nodes) {
    auto made = make_node(node);
    add_to(view->totals_, before.nodes_.at(node), -1);
    add_to(view->totals_, made.get(), 1);
    changes.push_back({node, std::move(made)});
  }
  view->nodes_.apply(std::move(changes));
  find_by_id(before, *view, nodes);
  // Beyond it a view of all nodes is made faster from the books alone.
  dirty_.clear(64 + books_.node_end() / 4);
  last_ = std::move(view);
  return last_;
}

// Ascending, each once.
std::vector<std::uint32_t> Viewer::changed() const {
  std::vector<std::uint32_t> out;
  if (last_ == nullptr || dirty_.all()) {
    out.resize(books_.node_end());
    std::iota(out.begin(), out.end(), 0u);
    return out;
  }
  out.assign(dirty_.nodes().begin(), dirty_.nodes().end());
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

void Viewer::forget_changed_classes() {
  const ChangeLog& log = books_.classes().log();
  const ChangeLog::Changes changes = log.since(seen_classes_);
  seen_classes_ = log.count();
  if (changes.all) classes_.clear();
  classes_.resize(books_.classes().end());
  for (const std::uint32_t number : changes.things) classes_[number].reset();
}

const std::shared_ptr<const NodeClass>& Viewer::class_of(std::uint32_t node) {
  auto& known = classes_[books_.class_number(node)];
  if (known == nullptr) known = std::make_shared<NodeClass>(books_.node_class(node));
  return known;
}

// A set that went may have left its number to another.
const std::shared_ptr<const std::string>& Viewer::group_name(Tally::Set set) {
  if (set >= group_names_.size()) group_names_.resize(books_.tally().end());
  auto& known = group_names_[set];
  const std::string_view name = books_.tally().name(set);
  if (known == nullptr || *known != name) known = std::make_shared<std::string>(name);
  return known;
}

void Viewer::count_groups(std::uint32_t node, ViewNode& out) {
  std::vector<Tally::Set> sets;
  for (const TaskRecord& task : books_.tasks(node)) {
    if (task.counted != 0) sets.push_back(books_.kind_of(task).group);
  }
  std::sort(sets.begin(), sets.end());
  for (const Tally::Set set : sets) {
    if (out.groups.empty() || *out.groups.back().group != books_.tally().name(set))
      out.groups.push_back({group_name(set), 0});
    ++out.groups.back().tasks;
  }
  std::sort(out.groups.begin(), out.groups.end(),
            [](const auto& a, const auto& b) { return *a.group < *b.group; });
}

std::shared_ptr<const ViewNode> Viewer::make_node(std::uint32_t node) {
  if (!books_.is_live(node)) return nullptr;
  const NodeRow& row = books_.row(node);
  const NodeIdentity& identity = books_.identity(node);
  auto out = std::make_shared<ViewNode>();
  out->index = static_cast<NodeIndex>(node);
  out->id = identity.id.view();
  out->what = class_of(node);
  out->state = row.active ? NodeSpec::State::Active : NodeSpec::State::Draining;
  out->connected = row.connected;
  out->ec2_instance_id = identity.ec2_instance_id.view();
  out->registered_at_ms = identity.registered_at_ms;
  out->cpu = row.total_cpu;
  out->memory_mib = row.total_memory_mib;
  if (row.extras != nullptr) {
    out->eni_slots = row.extras->eni_slots;
    out->capacities = row.extras->capacities;
  }
  out->left = remaining_of(books_, node);
  count_groups(node, *out);
  out->counted_tasks = row.counted_tasks;
  return out;
}

void Viewer::find_by_id(const View& before, View& view,
                        const std::vector<std::uint32_t>& nodes) const {
  const bool all = view.totals_.nodes > std::size_t{view.bucket_count_} * kNodesInABucket;
  std::map<std::uint32_t, View::Bucket> edited;
  const auto bucket = [&](std::string_view id) -> View::Bucket& {
    const std::uint32_t at = view.bucket_of(id);
    const View::Bucket* known = view.buckets_.at(at);
    return edited.try_emplace(at, known == nullptr ? View::Bucket{} : *known).first->second;
  };
  if (all) {
    view.bucket_count_ =
        std::bit_ceil(static_cast<std::uint32_t>(view.totals_.nodes / kNodesInABucket + 1)) * 2;
    view.buckets_ = {};
    view.for_each([&](const ViewNode& node) {
      bucket(node.id).push_back(static_cast<std::uint32_t>(node.index));
    });
  } else {
    for (const std::uint32_t node : nodes) {
      const ViewNode* old = before.nodes_.at(node);
      const ViewNode* now = view.nodes_.at(node);
      if (old != nullptr && now != nullptr && old->id == now->id) continue;
      if (old != nullptr) std::erase(bucket(old->id), node);
      if (now != nullptr) bucket(now->id).push_back(node);
    }
  }
  std::vector<SharedArray<View::Bucket>::Change> changes;
  for (auto& [at, nodes_of_it] : edited)
    changes.push_back({at, std::make_shared<const View::Bucket>(std::move(nodes_of_it))});
  view.buckets_.apply(std::move(changes));
}

}  // namespace berth::placement
