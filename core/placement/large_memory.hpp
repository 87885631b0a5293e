// SPDX-License-Identifier: Apache-2.0
// Memory for arrays that grow with the cluster. Large ones begin and end at multiples of 2 MiB and
// are shown to whoever gave the engine a function for that, which may ask for huge pages: nearly
// each line of the cache that a decision touches among a million nodes also costs a walk through
// the page tables otherwise.
//
// Threads: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

namespace berth::placement {

// As EngineOptions::advise_memory.
using AdviseMemory = void (*)(void* at, std::size_t bytes);

template <typename T>
class LargeAllocator {
 public:
  using value_type = T;

  LargeAllocator() = default;
  explicit LargeAllocator(AdviseMemory advise) : advise_(advise) {}
  template <typename Other>
  LargeAllocator(const LargeAllocator<Other>& other)  // NOLINT: allocators convert
      : advise_(other.advise()) {}

  [[nodiscard]] T* allocate(std::size_t count) {
    const std::size_t bytes = count * sizeof(T);
    if (bytes < kLarge) return static_cast<T*>(::operator new (bytes, std::align_val_t{kLine}));
    const std::size_t rounded = (bytes + kPage - 1) / kPage * kPage;
    void* out = ::operator new (rounded, std::align_val_t{kPage});
    if (advise_ != nullptr) advise_(out, rounded);
    return static_cast<T*>(out);
  }
  void deallocate(T* at, std::size_t count) noexcept {
    const bool is_large = count * sizeof(T) >= kLarge;
    ::operator delete (at, std::align_val_t{is_large ? kPage : kLine});
  }
  [[nodiscard]] AdviseMemory advise() const { return advise_; }
  template <typename Other>
  bool operator==(const LargeAllocator<Other>& other) const {
    return advise_ == other.advise();
  }

 private:
  static constexpr std::size_t kLine = 64;
  static constexpr std::size_t kPage = std::size_t{2} << 20;
  static constexpr std::size_t kLarge = 4 * kPage;  // so that little is lost at its ends

  AdviseMemory advise_ = nullptr;
};

template <typename T>
using LargeVector = std::vector<T, LargeAllocator<T>>;

// Things by number that stay where they are while there come more. A run of them that was made at
// once lies in one piece.
template <typename T>
class Stack {
 public:
  explicit Stack(AdviseMemory advise) : allocator_(advise) {}

  [[nodiscard]] T& operator[](std::uint32_t at) const { return pieces_[at / kPiece][at % kPiece]; }
  [[nodiscard]] std::uint32_t size() const {
    return static_cast<std::uint32_t>(pieces_.size()) * kPiece;
  }
  // At least so many more, and a share of what there is, so that allocations are few, and large.
  void grow(std::uint32_t more) {
    const std::size_t wanted = (std::size_t{more} + kPiece - 1) / kPiece;
    const std::size_t pieces = wanted > pieces_.size() / 8 ? wanted : pieces_.size() / 8;
    memory_.emplace_back(pieces * kPiece, allocator_);
    for (std::size_t i = 0; i < pieces; ++i) pieces_.push_back(memory_.back().data() + i * kPiece);
  }
  [[nodiscard]] std::size_t bytes() const {
    return pieces_.size() * (kPiece * sizeof(T) + sizeof(T*)) +
           memory_.capacity() * sizeof(memory_[0]);
  }

 private:
  static constexpr std::uint32_t kPiece = 256;

  LargeAllocator<T> allocator_;
  std::vector<T*> pieces_;
  std::vector<LargeVector<T>> memory_;
};

}  // namespace berth::placement
