// SPDX-License-Identifier: Apache-2.0
#include "sdk/fleet/frame_name.hpp"

#include "berth/v1/plugin.pb.h"

namespace berth::fleet {

std::string frame_name(const v1::Frame& frame) {
  switch (frame.body_case()) {
    case v1::Frame::kJoin:
      return "join";
    case v1::Frame::kJoined:
      return "joined";
    case v1::Frame::kHello:
      return "hello";
    case v1::Frame::kWelcome:
      return "welcome";
    case v1::Frame::kGoodbye:
      return "goodbye";
    case v1::Frame::kHeartbeat:
      return "heartbeat";
    case v1::Frame::kRegistration:
      return "registration";
    case v1::Frame::kCancel:
      return "cancel";
    case v1::Frame::kDone:
      return "done";
    case v1::Frame::kChunk:
      return "chunk";
    case v1::Frame::kCredit:
      return "credit";
    case v1::Frame::kReport:
      return "report";
    case v1::Frame::kReportAck:
      return "report-ack";
    case v1::Frame::kAsk:
      return "ask";
    case v1::Frame::kAnswer:
      return "answer";
    case v1::Frame::kRenew:
      return "renew";
    case v1::Frame::kRenewal:
      return "renewal";
    case v1::Frame::kCertificate:
      return "certificate";
    case v1::Frame::kInterfaces:
      return "interfaces";
    case v1::Frame::kPeers:
      return "peers";
    case v1::Frame::kInput:
      return "input";
    case v1::Frame::kCall:
      break;
    case v1::Frame::BODY_NOT_SET:
      return "unknown";
  }
  switch (frame.call().method()) {
    case berth::v1::METHOD_LAUNCH_START:
      return "call-start";
    case berth::v1::METHOD_LAUNCH_STOP:
      return "call-stop";
    case berth::v1::METHOD_LAUNCH_LIST_OWNED:
      return "call-list";
    case berth::v1::METHOD_LAUNCH_FORGET:
      return "call-forget";
    case berth::v1::METHOD_LAUNCH_LOGS:
      return "call-logs";
    default:
      return "call";
  }
}

}  // namespace berth::fleet
