// SPDX-License-Identifier: Apache-2.0
// SharedArray: an array of items that never change, whose copies share what they have in common.
//
// Items stand in leaves of 64, leaves in pages of 64. A copy costs a pointer for each page, that is
// for every 4096 items; a change makes anew its leaf and its page. Threads: as std::vector; the
// copies of one array count as arrays of their own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace berth::placement {

template <typename T>
class SharedArray {
 public:
  struct Change {
    std::uint32_t at = 0;
    std::shared_ptr<const T> item{};  // null: there is none any more
  };

  // Null where there is none.
  [[nodiscard]] const T* at(std::uint32_t at) const {
    const std::size_t page = at / (kWidth * kWidth);
    if (page >= pages_.size() || pages_[page] == nullptr) return nullptr;
    const auto& leaf = (*pages_[page])[at / kWidth % kWidth];
    return leaf == nullptr ? nullptr : (*leaf)[at % kWidth].get();
  }
  // Requires: ascending, each place once.
  void apply(std::vector<Change> changes) {
    std::shared_ptr<Page> page;
    std::shared_ptr<Leaf> leaf;
    std::size_t open_leaf = SIZE_MAX;
    for (Change& change : changes) {
      const std::size_t leaf_at = change.at / kWidth;
      const std::size_t page_at = leaf_at / kWidth;
      if (leaf_at != open_leaf) {
        if (page == nullptr || open_leaf / kWidth != page_at) page = open_page(page_at);
        const auto& old = (*page)[leaf_at % kWidth];
        leaf = old == nullptr ? std::make_shared<Leaf>() : std::make_shared<Leaf>(*old);
        (*page)[leaf_at % kWidth] = leaf;
        open_leaf = leaf_at;
      }
      (*leaf)[change.at % kWidth] = std::move(change.item);
    }
  }

 private:
  static constexpr std::size_t kWidth = 64;
  using Leaf = std::array<std::shared_ptr<const T>, kWidth>;
  using Page = std::array<std::shared_ptr<const Leaf>, kWidth>;

  // The page, for this array alone.
  std::shared_ptr<Page> open_page(std::size_t at) {
    if (at >= pages_.size()) pages_.resize(at + 1);
    auto page =
        pages_[at] == nullptr ? std::make_shared<Page>() : std::make_shared<Page>(*pages_[at]);
    pages_[at] = page;
    return page;
  }

  std::vector<std::shared_ptr<const Page>> pages_;
};

}  // namespace berth::placement
