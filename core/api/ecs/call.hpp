// SPDX-License-Identifier: Apache-2.0
// One call of an operation: how it is read, asked of the control core, and answered.
//
// Threads: a Call belongs to one thread at a time. Answers of the core arrive on its loop and are
// moved to the server's threads first.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/api/ecs/errors.hpp"
#include "core/api/ecs/shape.hpp"
#include "core/api/json/decode.hpp"
#include "core/api/json/encode.hpp"
#include "core/control/frontend.hpp"
#include "core/model/arn.hpp"

namespace berth::api {

// Whether a container instance satisfies an expression of the cluster query language. Runs on the
// loop.
using InstanceMatch = std::function<bool(const ContainerInstance&, const control::State&)>;

// What all calls share.
struct Backend {
  control::Frontend& control;
  Realm realm;
  std::string default_cluster;
  std::function<void(std::function<void()>)> post;  // to the server's threads
  std::function<Instant()> now;
  std::function<Result<void>(std::string_view)> check_expression;  // of the same language
  std::function<Result<InstanceMatch>(std::string_view)> compile_filter;
  std::function<void(std::size_t)>
      count_unknown;  // members of input outside the model, that were ignored
};

class Call {
 public:
  Call(std::shared_ptr<const Backend> backend, std::string body, std::string principal,
       http::Answer answer)
      : backend_(std::move(backend)),
        body_(std::move(body)),
        principal_(std::move(principal)),
        answer_(std::move(answer)) {}

  [[nodiscard]] const Backend& backend() const { return *backend_; }
  [[nodiscard]] const Realm& realm() const { return backend_->realm; }
  [[nodiscard]] const std::string& body() const { return body_; }
  [[nodiscard]] const std::string& principal() const { return principal_; }

  void refuse(const Exception& exception) const { answer_(to_response(exception)); }
  void refuse(const Error& error) const { refuse(exception_of(error)); }
  void reply(const google::protobuf::Message& response, json::EncodeOptions options = {}) const;

  // Decodes the body and checks its shape. False: the call is answered.
  [[nodiscard]] bool read(google::protobuf::Message& request, Subject subject = Subject::Request,
                          json::Decoded* decoded = nullptr) const;

  // `then(call, answer)` runs on a thread of the server; failures are answered before.
  void submit(control::Command command,
              std::function<void(const Call&, control::Answer)> then) const;

  // `look` reads the state on the loop and gives copies; `then(call, copies)` runs on a thread of
  // the server. Copies that are a Result with an error are answered before.
  template <typename Look, typename Then>
  void query(Look look, Then then) const {
    using Copies = std::invoke_result_t<Look, const control::State&>;
    backend_->control.query([call = *this, look = std::move(look), then = std::move(then)](
                                const control::State& state) -> std::function<void()> {
      auto copies = std::make_shared<Copies>(look(state));
      return [call, then, copies] {
        call.backend().post([call, then, copies] { call.settle(*copies, then); });
      };
    });
  }

 private:
  template <typename T, typename Then>
  void settle(Result<T>& copies, const Then& then) const {
    if (!copies) return refuse(copies.error());
    if constexpr (std::is_void_v<T>) {
      then(*this);
    } else {
      then(*this, std::move(*copies));
    }
  }
  template <typename T, typename Then>
  void settle(T& copies, const Then& then) const {
    then(*this, std::move(copies));
  }

  std::shared_ptr<const Backend> backend_;
  std::string body_;
  std::string principal_;
  http::Answer answer_;
};

// The cluster that a request names: the default one where it names none.
// Errors: Invalid, Subject::Request.
[[nodiscard]] Result<ClusterName> cluster_of(const Backend& backend, bool given,
                                             const std::string& text);
// The record. Errors: NotFound, Subject::Cluster, also for an INACTIVE one.
[[nodiscard]] Result<ClusterPtr> active_cluster(const control::State& state,
                                                const ClusterName& name);
// The id in a bare id or an ARN of `type`.
// Errors: Invalid, Subject::Request, for another type, or another cluster than `cluster`.
[[nodiscard]] Result<std::string> id_in_cluster(const std::string& text, std::string_view type,
                                                const ClusterName& cluster);

}  // namespace berth::api
