// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/image/decompress.hpp"

#include <isa-l/igzip_lib.h>
#include <zstd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace berth::runtime::image {
namespace {

constexpr std::size_t kOut = 256u << 10;

sdk::Error damaged(const char* kind, const char* why) {
  return sdk::fail(BERTH_INVALID, std::string{"the layer's "} + kind + " stream is " + why);
}

// ISA-L inflates two to three times as fast as zlib, and in pieces, which libdeflate cannot.
class GzipDecoder {
 public:
  GzipDecoder() {
    isal_inflate_init(&state_);
    state_.crc_flag = ISAL_GZIP;
  }
  GzipDecoder(const GzipDecoder&) = delete;
  GzipDecoder& operator=(const GzipDecoder&) = delete;

  // Consumes from `in`, fills `out`; the number of bytes produced.
  sdk::Result<std::size_t> step(std::string_view& in, std::vector<char>& out) {
    if (between_members_) {
      if (in.empty()) return std::size_t{0};
      isal_inflate_reset(&state_);
      state_.crc_flag = ISAL_GZIP;
      between_members_ = false;
    }
    state_.next_in = reinterpret_cast<std::uint8_t*>(const_cast<char*>(in.data()));
    state_.avail_in = static_cast<std::uint32_t>(in.size());
    state_.next_out = reinterpret_cast<std::uint8_t*>(out.data());
    state_.avail_out = static_cast<std::uint32_t>(out.size());
    const int result = isal_inflate(&state_);
    if (result < 0 || result == ISAL_NEED_DICT) return damaged("gzip", reason(result));
    const std::size_t produced = out.size() - state_.avail_out;
    const bool moved = produced > 0 || state_.avail_in < in.size();
    in.remove_prefix(in.size() - state_.avail_in);
    between_members_ = state_.block_state == ISAL_BLOCK_FINISH;
    if (!moved && !in.empty() && !between_members_) return damaged("gzip", "damaged");
    return produced;
  }
  [[nodiscard]] bool may_end() const { return between_members_; }
  static constexpr const char* kName = "gzip";

 private:
  static const char* reason(int result) {
    switch (result) {
      case ISAL_INVALID_WRAPPER:
        return "damaged: incorrect header";
      case ISAL_INCORRECT_CHECKSUM:
        return "damaged: incorrect checksum";
      default:
        return "damaged: invalid data";
    }
  }

  inflate_state state_{};
  bool between_members_ = false;
};

class ZstdDecoder {
 public:
  ZstdDecoder() = default;
  ZstdDecoder(const ZstdDecoder&) = delete;
  ZstdDecoder& operator=(const ZstdDecoder&) = delete;
  ~ZstdDecoder() { ZSTD_freeDCtx(context_); }

  sdk::Result<std::size_t> step(std::string_view& in, std::vector<char>& out) {
    ZSTD_inBuffer from{in.data(), in.size(), 0};
    ZSTD_outBuffer to{out.data(), out.size(), 0};
    const std::size_t result = ZSTD_decompressStream(context_, &to, &from);
    if (ZSTD_isError(result)) return damaged("zstd", ZSTD_getErrorName(result));
    in.remove_prefix(from.pos);
    if (from.pos > 0 || to.pos > 0) frame_open_ = result != 0;
    return to.pos;
  }
  [[nodiscard]] bool may_end() const { return !frame_open_; }
  static constexpr const char* kName = "zstd";

 private:
  ZSTD_DCtx* context_ = ZSTD_createDCtx();
  bool frame_open_ = true;
};

// Feeds a decoder until it gives something. `held` are bytes that were read to look at.
template <typename Decoder>
class Decompressor : public ByteSource {
 public:
  Decompressor(ByteSource& source, std::string held)
      : source_(source), held_(std::move(held)), in_(held_) {}

  sdk::Result<std::string_view> read() override {
    while (true) {
      auto produced = decoder_.step(in_, out_);
      if (!produced) return produced.error();
      if (*produced > 0) return std::string_view{out_.data(), *produced};
      if (!in_.empty()) continue;
      if (ended_) {
        if (decoder_.may_end()) return std::string_view{};
        return damaged(Decoder::kName, "truncated");
      }
      auto more = source_.read();
      if (!more) return more.error();
      in_ = *more;
      ended_ = in_.empty();
    }
  }

 private:
  ByteSource& source_;
  std::string held_;
  std::string_view in_;
  Decoder decoder_;
  std::vector<char> out_ = std::vector<char>(kOut);
  bool ended_ = false;
};

class Plain : public ByteSource {
 public:
  Plain(ByteSource& source, std::string held) : source_(source), held_(std::move(held)) {}
  sdk::Result<std::string_view> read() override {
    if (!given_ && !held_.empty()) {
      given_ = true;
      return std::string_view{held_};
    }
    return source_.read();
  }

 private:
  ByteSource& source_;
  std::string held_;
  bool given_ = false;
};

// Looks at the first bytes, then hands on to the decoder they ask for.
class Detecting : public ByteSource {
 public:
  explicit Detecting(ByteSource& source) : source_(source) {}
  sdk::Result<std::string_view> read() override {
    if (!chosen_) {
      std::string head;
      while (head.size() < 4) {
        auto more = source_.read();
        if (!more) return more.error();
        if (more->empty()) break;
        head.append(*more);
      }
      choose(std::move(head));
    }
    return chosen_->read();
  }

 private:
  void choose(std::string head) {
    const auto is_skippable = [&] {  // a zstd frame of the user's own: 0x184D2A50 to 5F
      return head.size() >= 4 && (head[0] & '\xf0') == '\x50' && head[1] == '\x2a' &&
             head[2] == '\x4d' && head[3] == '\x18';
    };
    if (head.starts_with("\x1f\x8b")) {
      chosen_ = std::make_unique<Decompressor<GzipDecoder>>(source_, std::move(head));
    } else if (head.starts_with("\x28\xb5\x2f\xfd") || is_skippable()) {
      chosen_ = std::make_unique<Decompressor<ZstdDecoder>>(source_, std::move(head));
    } else {
      chosen_ = std::make_unique<Plain>(source_, std::move(head));
    }
  }

  ByteSource& source_;
  std::unique_ptr<ByteSource> chosen_;
};

}  // namespace

std::unique_ptr<ByteSource> decompress(ByteSource& source) {
  return std::make_unique<Detecting>(source);
}

}  // namespace berth::runtime::image
