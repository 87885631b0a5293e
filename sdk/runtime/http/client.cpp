// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/http/client.hpp"

#include <curl/curl.h>

#include <mutex>

#include "sdk/runtime/http/backoff.hpp"
#include "sdk/runtime/http/url.hpp"

namespace berth::runtime::http {
namespace {

constexpr int kMaxRedirects = 5;
constexpr std::size_t kMaxHeaderBytes = 64u << 10;
constexpr std::size_t kMaxIdle = 32;
constexpr const char* kSystemAuthorities = "/etc/ssl/certs";

// One easy handle in a multi handle of its own: the multi keeps the connections for whoever comes
// next, and lets a thread take bytes when it wants them instead of being called with them.
struct Channel {
  CURLM* multi = curl_multi_init();
  CURL* easy = curl_easy_init();

  Channel() = default;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel() {
    curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
  }
};

struct Slist {
  curl_slist* list = nullptr;

  Slist() = default;
  Slist(const Slist&) = delete;
  Slist& operator=(const Slist&) = delete;
  ~Slist() { curl_slist_free_all(list); }
  void add(const std::string& line) { list = curl_slist_append(list, line.c_str()); }
};

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

void initialise_curl() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_ALL); });
}

bool has_line_break(std::string_view text) {
  return text.find_first_of(std::string_view{"\r\n\0", 3}) != std::string_view::npos;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r' ||
                           text.back() == '\n')) {
    text.remove_suffix(1);
  }
  return text;
}

sdk::Error cancelled() {
  return sdk::fail(BERTH_CANCELLED, "cancelled");
}

}  // namespace

class Client::Pool {
 public:
  std::unique_ptr<Channel> take() {
    {
      const std::lock_guard lock{mutex_};
      if (!idle_.empty()) {
        auto channel = std::move(idle_.back());
        idle_.pop_back();
        return channel;
      }
    }
    return std::make_unique<Channel>();
  }
  void give(std::unique_ptr<Channel> channel) {
    const std::lock_guard lock{mutex_};
    if (idle_.size() < kMaxIdle) idle_.push_back(std::move(channel));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Channel>> idle_;  // last used last: its connections are the warmest
};

struct Stream::Transfer {
  Client::Pool* pool = nullptr;
  std::unique_ptr<Channel> channel;
  Slist headers;
  std::string request_body;
  std::stop_token cancel;
  std::string what;  // "GET https://host/path", for messages
  Response response;
  std::size_t header_bytes = 0;
  bool headers_done = false;
  bool done = false;
  CURLcode result = CURLE_OK;
  char error[CURL_ERROR_SIZE] = {};
  std::string incoming;
  std::string current;

  Transfer() = default;
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  ~Transfer() {
    if (!channel) return;
    curl_multi_remove_handle(channel->multi, channel->easy);
    curl_easy_reset(channel->easy);
    pool->give(std::move(channel));
  }

  static std::size_t on_header(char* data, std::size_t one, std::size_t size, void* self);
  static std::size_t on_body(char* data, std::size_t one, std::size_t size, void* self);
  sdk::Result<void> start(const Request& request, const Url& url, bool first_origin);
  template <typename Until>
  sdk::Result<void> run(Until until);
  sdk::Error failure() const;
};

std::size_t Stream::Transfer::on_header(char* data, std::size_t, std::size_t size, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const std::string_view line = trim({data, size});
  transfer.header_bytes += size;
  if (transfer.header_bytes > kMaxHeaderBytes) return 0;
  if (line.starts_with("HTTP/")) {  // also after 1xx: only the last one counts
    transfer.response = {};
    transfer.headers_done = false;
    long status = 0;
    curl_easy_getinfo(transfer.channel->easy, CURLINFO_RESPONSE_CODE, &status);
    transfer.response.status = static_cast<int>(status);
  } else if (line.empty()) {
    transfer.headers_done = transfer.response.status >= 200;
  } else if (const std::size_t colon = line.find(':'); colon != std::string_view::npos) {
    std::string name{line.substr(0, colon)};
    for (char& c : name) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    transfer.response.headers.emplace_back(std::move(name), trim(line.substr(colon + 1)));
  }
  return size;
}

std::size_t Stream::Transfer::on_body(char* data, std::size_t, std::size_t size, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  transfer.headers_done = true;
  transfer.incoming.append(data, size);
  return size;
}

sdk::Result<void> Stream::Transfer::start(const Request& request, const Url& url,
                                          bool first_origin) {
  what = request.method + " " + url.for_people();
  cancel = request.cancel;
  CURL* easy = channel->easy;
  if (!easy || !channel->multi) return sdk::fail(BERTH_UNAVAILABLE, "libcurl is out of memory");
  curl_easy_setopt(easy, CURLOPT_URL, url.to_string().c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "berth");
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 256L << 10);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(request.connect_timeout.count()));
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, static_cast<long>(request.stall_timeout.count()));
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  if (url.is_loopback()) curl_easy_setopt(easy, CURLOPT_PROXY, "");

  // The blob takes the place of the bundle file; the directory keeps the system's authorities
  // beside it.
  curl_easy_setopt(easy, CURLOPT_CAPATH, kSystemAuthorities);
  if (!request.ca_pem.empty()) {
    curl_blob blob{const_cast<char*>(request.ca_pem.data()), request.ca_pem.size(), CURL_BLOB_COPY};
    curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
  }
  if (request.insecure_tls && first_origin) {
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  }

  if (request.method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  } else if (request.method == "POST") {
    request_body = request.body;
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request_body.data());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request_body.size()));
  }
  for (const auto& [name, value] : request.headers) {
    if (has_line_break(name) || has_line_break(value)) {
      return sdk::fail(BERTH_INVALID, "a header with a line break in it");
    }
    headers.add(name + ": " + value);
  }
  if (first_origin && !request.authorization.empty()) {
    if (has_line_break(request.authorization)) {
      return sdk::fail(BERTH_INVALID, "credentials with a line break in them");
    }
    headers.add("Authorization: " + request.authorization);
  }
  if (first_origin && request.aws) {
    const AwsSigning& aws = *request.aws;
    curl_easy_setopt(easy, CURLOPT_AWS_SIGV4,
                     ("aws:amz:" + aws.region + ":" + aws.service).c_str());
    curl_easy_setopt(easy, CURLOPT_USERNAME, aws.access_key_id.c_str());
    curl_easy_setopt(easy, CURLOPT_PASSWORD, aws.secret_access_key.c_str());
    if (!aws.session_token.empty()) headers.add("X-Amz-Security-Token: " + aws.session_token);
  }
  // No pause before a body. Not with a signature: curl would sign it although it is not sent, and its
  // small bodies get no such pause anyway.
  if (!request.aws) headers.add("Expect:");
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.list);
  curl_multi_add_handle(channel->multi, easy);
  return {};
}

template <typename Until>
sdk::Result<void> Stream::Transfer::run(Until until) {
  // Wakes the poll below from whichever thread cancels.
  CURLM* multi = channel->multi;
  const std::stop_callback wake{cancel, [multi] { curl_multi_wakeup(multi); }};
  while (!done && !until()) {
    if (cancel.stop_requested()) return cancelled();
    int running = 0;
    if (curl_multi_perform(multi, &running) != CURLM_OK) {
      return sdk::fail(BERTH_INTERNAL, what + ": libcurl refused to go on");
    }
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (message->msg == CURLMSG_DONE) {
        done = true;
        result = message->data.result;
      }
    }
    if (!done && !until()) curl_multi_poll(multi, nullptr, 0, 10000, nullptr);
  }
  return {};
}

sdk::Error Stream::Transfer::failure() const {
  const std::string why = error[0] != 0 ? error : curl_easy_strerror(result);
  switch (result) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return sdk::fail(BERTH_PRECONDITION,
                       what + ": the server's certificate is not trusted: " + why);
    case CURLE_WRITE_ERROR:
      return sdk::fail(BERTH_INVALID, what + ": the answer's headers are too long");
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return sdk::fail(BERTH_INVALID, what + ": " + why);
    default:
      return sdk::fail(BERTH_UNAVAILABLE, what + ": " + why);
  }
}

Stream::Stream(std::unique_ptr<Transfer> transfer) : transfer_(std::move(transfer)) {}
Stream::Stream(Stream&&) noexcept = default;
Stream::~Stream() = default;

const Response& Stream::response() const {
  return transfer_->response;
}

sdk::Result<std::string_view> Stream::read() {
  Transfer& transfer = *transfer_;
  transfer.current.clear();
  const auto ran = transfer.run([&] { return !transfer.incoming.empty(); });
  if (!ran) return ran.error();
  // What came before a connection broke is still good: the error is told by the next read.
  std::swap(transfer.current, transfer.incoming);
  if (transfer.current.empty() && transfer.result != CURLE_OK) return transfer.failure();
  return std::string_view{transfer.current};
}

Client::Client() : pool_(std::make_unique<Pool>()) {
  initialise_curl();
}
Client::~Client() = default;

sdk::Result<Stream> Client::open(const Request& request) {
  const auto parsed = parse_url(request.url);
  if (!parsed) return parsed.error();
  const Url first = *parsed;
  Url url = first;
  bool first_origin = true;
  for (int hop = 0;; ++hop) {
    if (request.cancel.stop_requested()) return cancelled();
    auto transfer = std::make_unique<Stream::Transfer>();
    transfer->pool = pool_.get();
    transfer->channel = pool_->take();
    if (const auto started = transfer->start(request, url, first_origin); !started) {
      return started.error();
    }
    const auto ran = transfer->run([&] { return transfer->headers_done; });
    if (!ran) return ran.error();
    if (!transfer->headers_done) return transfer->failure();
    const Response& response = transfer->response;
    if (!is_redirect(response.status) || request.method == "POST") {
      return Stream{std::move(transfer)};
    }
    if (hop == kMaxRedirects) {
      return sdk::fail(BERTH_INVALID, transfer->what + ": too many redirects");
    }
    auto next = resolve_url(url, response.header("location"));
    if (!next) return sdk::fail(BERTH_INVALID, transfer->what + ": " + next.error().message);
    if (url.scheme == "https" && next->scheme == "http") {
      return sdk::fail(BERTH_INVALID, transfer->what + ": a redirect from https to http");
    }
    url = std::move(*next);
    // Once away, never again: a stranger could send us back with a path of its choice.
    first_origin = first_origin && url.same_origin(first);
  }
}

sdk::Result<Response> Client::fetch(const Request& request) {
  auto stream = open(request);
  if (!stream) return stream.error();
  std::string body;
  while (true) {
    const auto bytes = stream->read();
    if (!bytes) return bytes.error();
    if (bytes->empty()) break;
    if (body.size() + bytes->size() > request.max_body) {
      return sdk::fail(BERTH_INVALID, request.method + " " + parse_url(request.url)->for_people() +
                                          ": the answer is longer than " +
                                          std::to_string(request.max_body) + " bytes");
    }
    body.append(*bytes);
  }
  Response response = stream->response();
  response.body = std::move(body);
  return response;
}

std::string_view Response::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

std::chrono::milliseconds Response::retry_after() const {
  return parse_retry_after(header("retry-after")).value_or(std::chrono::milliseconds{0});
}

}  // namespace berth::runtime::http
