// SPDX-License-Identifier: Apache-2.0
// A request and a response of HTTP, free of the library that carries them.
//
// Threads: any, as for standard containers.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/model/error.hpp"

namespace berth::api::http {

struct Header {
  std::string name;  // of requests: lower case
  std::string value;
};

struct Request {
  std::string method;
  std::string target;  // path and query as sent
  std::vector<Header> headers;
  std::string body;

  // The value of the first header of this lower-case name, or null.
  [[nodiscard]] const std::string* header(std::string_view name) const;
  [[nodiscard]] std::string_view path() const;
  [[nodiscard]] std::string_view query() const;  // after the '?', as sent
  // Whether it asks to go on as a websocket.
  [[nodiscard]] bool is_upgrade() const;
};

using Parameters = std::vector<std::pair<std::string, std::string>>;
// The parameters of a query string in their order, percent-decoded; '+' is a plus.
[[nodiscard]] Parameters parse_query(std::string_view query);
// RFC 3986: all but letters, digits and -._~ becomes %XX; '/' stays where `keep_slash`.
enum class Slash { Encode, Keep };
[[nodiscard]] std::string percent_encode(std::string_view text, Slash slash);

// A body that is made while it is sent. Destroying it cancels what makes it.
class BodySource {
 public:
  virtual ~BodySource() = default;
  // Once, before the first pull. `wake` may be called on any thread, also from within.
  virtual void start(std::function<void()> wake) = 0;
  enum class Pulled {
    More,
    End,
    Broken
  };  // Broken: the connection is cut, so that the client sees it
  // Appends what is ready. Nothing appended and More: asked again after the next wake.
  [[nodiscard]] virtual Pulled pull(std::string& out) = 0;
};

// The far end of a websocket. Destroying it ends what it stands for. All but its constructor and
// destructor runs on the connection's strand.
class Conversation {
 public:
  virtual ~Conversation() = default;
  // Once, before anything else. `wake` may be called on any thread, also from within.
  virtual void start(std::function<void()> wake) = 0;
  // One whole message of the client. An error ends the conversation, with its words as the reason.
  [[nodiscard]] virtual Result<void> message(std::string_view bytes) = 0;
  enum class Pulled { Message, Nothing, End };  // End: all is said
  // The next message to be sent, once the last one is on its way. Nothing: asked again after the
  // next wake.
  [[nodiscard]] virtual Pulled pull(std::string& out) = 0;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<Header> headers{};
  std::shared_ptr<BodySource> stream{};  // instead of body
  // Instead of all else, where the request is_upgrade(): it goes on as a websocket of binary
  // messages.
  std::shared_ptr<Conversation> conversation{};
  std::string subprotocol{};              // of it, where the client offers this one
  std::size_t message_bytes = 64 * 1024;  // the longest message that is taken
};

// Called once, on any thread.
using Answer = std::function<void(Response)>;
using Handler = std::function<void(Request, Answer)>;

}  // namespace berth::api::http
