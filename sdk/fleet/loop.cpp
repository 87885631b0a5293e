// SPDX-License-Identifier: Apache-2.0
#include "sdk/fleet/loop.hpp"

#include <future>
#include <thread>
#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace berth::fleet {
namespace asio = boost::asio;

struct Loop::Impl {
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard{context.get_executor()};
  std::thread thread;
};

Loop::Loop() : impl_(std::make_unique<Impl>()) {
  impl_->thread = std::thread([this] { impl_->context.run(); });
}

Loop::~Loop() { stop(); }

void Loop::stop() {
  if (!impl_->thread.joinable()) return;
  impl_->guard.reset();
  impl_->context.stop();
  impl_->thread.join();
}

void Loop::post(std::function<void()> work) { asio::post(impl_->context, std::move(work)); }

void Loop::run(const std::function<void()>& work) {
  if (is_this_thread() || !impl_->thread.joinable()) return work();
  std::promise<void> ran;
  auto wait = ran.get_future();
  asio::post(impl_->context, [&] {
    work();
    ran.set_value();
  });
  wait.wait();
}

bool Loop::is_this_thread() const { return std::this_thread::get_id() == impl_->thread.get_id(); }

Loop::Timer Loop::after(std::chrono::milliseconds delay, std::function<void()> work) {
  auto timer = std::make_shared<asio::steady_timer>(impl_->context, delay);
  Timer handle;
  // Destroying an Asio timer completes its wait with an error; what has already been queued is told apart by `weak`.
  timer->async_wait([weak = std::weak_ptr<void>(timer),
                     work = std::move(work)](const boost::system::error_code& error) {
    if (!error && !weak.expired()) work();
  });
  handle.alive_ = std::move(timer);
  return handle;
}

boost::asio::io_context& Loop::context() { return impl_->context; }

}  // namespace berth::fleet
