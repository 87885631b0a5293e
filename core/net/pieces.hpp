// SPDX-License-Identifier: Apache-2.0
// The first buffers of any buffer sequence, behind one type: a sequence of Asio's itself.
//
// One operation of a stream moves what it can, so that those left out are for the next one.
// Valid until: the memory that the buffers name ends.
#pragma once

#include <array>
#include <boost/asio/buffer.hpp>
#include <cstddef>

namespace berth::net {

template <typename Buffer>
class Pieces {
 public:
  using value_type = Buffer;
  using const_iterator = const Buffer*;

  template <typename Sequence>
  explicit Pieces(const Sequence& sequence) {
    const auto end = boost::asio::buffer_sequence_end(sequence);
    for (auto at = boost::asio::buffer_sequence_begin(sequence); at != end; ++at) {
      const Buffer buffer(*at);
      if (buffer.size() > 0) pieces_[size_++] = buffer;
      if (size_ == pieces_.size()) break;
    }
  }

  [[nodiscard]] const_iterator begin() const { return pieces_.data(); }
  [[nodiscard]] const_iterator end() const { return pieces_.data() + size_; }

 private:
  std::array<Buffer, 8> pieces_{};
  std::size_t size_ = 0;
};

using Room = Pieces<boost::asio::mutable_buffer>;  // for what is read
using Bytes = Pieces<boost::asio::const_buffer>;   // that are written

}  // namespace berth::net
