// SPDX-License-Identifier: Apache-2.0
// A launch type whose every move is made by the simulation: what it has received waits until it is
// told to work, what it has to say waits until it is told to speak. It has no thread and no clock.
//
// The world (nodes, tasks) belongs to the library, not to an instance: what runs outside goes on
// when the plugin ends. METHOD_SIM (0x8000) carries a line of text; see command().
#include <cstdio>
#include <deque>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "berth/plugin_abi.h"
#include "berth/v1/launch.pb.h"
#include "berth/v1/plugin.pb.h"

namespace {

using namespace berth;

constexpr std::uint32_t kMethodSim = 0x8000;

struct Task {
  std::string node;
  std::vector<std::string> containers;
  v1::TaskPhase phase = v1::TASK_PHASE_PENDING;
  std::uint64_t sequence = 1;
  int runs = 0;  // how often its process was started
  bool ran = false;
  bool stopping = false;
  std::int64_t cpu = 0;
  bool checked = false;  // it has health checks
  bool sick = false;     // which never succeed
  std::string health;
  std::string digest;
};

struct NodeState {
  std::int64_t cpu = 0;
  std::int64_t memory = 0;
  bool connected = true;
};

struct World {
  std::map<std::string, NodeState> nodes;
  std::map<std::string, Task> tasks;
  std::set<std::string> buried;  // ids that were here and never will be again
  int pushes = 0;                // of the image: its tag moves with each
};

World& world() {
  static World the_world;
  return the_world;
}

std::string text(berth_bytes bytes) {
  return {static_cast<const char*>(bytes.data), bytes.size};
}

class Instance {
 public:
  explicit Instance(const berth_host* host) : host_(host) {}

  berth_status call(std::uint32_t method, berth_bytes request, std::uint64_t operation) {
    if (method == kMethodSim) {
      complete(operation, BERTH_OK, command(text(request)));
      return BERTH_OK;
    }
    if (method == v1::METHOD_ACTIVATE) {
      complete(operation, BERTH_OK, "");
      speak_inventory();
      return BERTH_OK;
    }
    if (method < v1::METHOD_LAUNCH_PLAN || method > v1::METHOD_LAUNCH_UPDATE_NODE)
      return BERTH_UNIMPLEMENTED;
    inbox_.push_back({method, text(request), operation});
    return BERTH_OK;
  }

 private:
  struct Heard {
    std::uint32_t method;
    std::string request;
    std::uint64_t operation;
  };
  struct Said {
    std::uint32_t event;  // 0: a completion
    std::uint64_t operation;
    berth_status status;
    std::string payload;
  };

  // queues            -> "<heard> <said>"
  // work N MODE       work on the n-th that was heard; MODE of ok, refuse, unavailable, half, mute;
  //                   answers with the node that was let go, if one was
  // send N | copy N | drop N     the n-th of what is to be said
  // step ID           the task goes on by one phase; exit ID: its process ends
  // ail ID            the health checks of a task begin to fail; push: what the tag of images names
  // changes node ID CPU MEMORY | off ID | on ID | gone ID | reset tasks             -> lines "ID
  // NODE PHASE RUNS CPU"
  std::string command(const std::string& line) {
    std::istringstream in(line);
    std::string verb;
    std::string id;
    in >> verb;
    if (verb == "queues") {
      return std::to_string(inbox_.size()) + " " + std::to_string(outbox_.size());
    }
    if (verb == "tasks") return dump();
    if (verb == "push") {
      ++world().pushes;
      return "";
    }
    if (verb == "reset") {
      world() = World();
      return "";
    }
    if (verb == "work" || verb == "send" || verb == "copy" || verb == "drop") {
      std::size_t index = 0;
      std::string mode;
      in >> index >> mode;
      let_go_.clear();
      verb == "work" ? work(index, mode) : say(index, verb);
      return let_go_;
    }
    in >> id;
    if (verb == "ail") {
      ail(id);
    } else if (verb == "step" || verb == "exit") {
      step(id, verb == "exit");
    } else if (verb == "node") {
      NodeState node;
      in >> node.cpu >> node.memory;
      world().nodes[id] = node;
      speak_delta(id, false);
    } else if (verb == "off" || verb == "on") {
      connect(id, verb == "on");
    } else if (verb == "gone") {
      remove(id);
    }
    return "";
  }

  void complete(std::uint64_t operation, berth_status status, const std::string& payload) {
    host_->complete(host_->context, operation, status, {payload.data(), payload.size()});
  }

  void say(std::size_t index, const std::string& verb) {
    if (index >= outbox_.size()) return;
    const Said said = outbox_[index];
    if (verb != "copy") outbox_.erase(outbox_.begin() + static_cast<std::ptrdiff_t>(index));
    if (verb == "drop") return;
    if (said.event == 0) {
      complete(said.operation, said.status, said.payload);
    } else {
      host_->emit(host_->context, said.event, {said.payload.data(), said.payload.size()});
    }
  }

  void answer(const Heard& heard, berth_status status, const std::string& payload) {
    outbox_.push_back({0, heard.operation, status, payload});
  }
  void fail(const Heard& heard, berth_status status, const char* message) {
    v1::Failure failure;
    failure.set_message(message);
    answer(heard, status, failure.SerializeAsString());
  }

  template <typename Request>
  static Request read(const Heard& heard) {
    Request request;
    request.ParseFromString(heard.request);
    return request;
  }

  void work(std::size_t index, const std::string& mode) {
    if (index >= inbox_.size()) return;
    const Heard heard = inbox_[index];
    inbox_.erase(inbox_.begin() + static_cast<std::ptrdiff_t>(index));
    if (mode == "mute") return;  // never answered
    if (mode == "unavailable") return fail(heard, BERTH_UNAVAILABLE, "not now");
    switch (heard.method) {
      case v1::METHOD_LAUNCH_PLAN:
        return plan(heard);
      case v1::METHOD_LAUNCH_START:
        return start(heard, mode);
      case v1::METHOD_LAUNCH_STOP:
        return stop(heard);
      case v1::METHOD_LAUNCH_LIST_OWNED:
        return list(heard);
      case v1::METHOD_LAUNCH_RECOVER:
        return recover(heard);
      case v1::METHOD_LAUNCH_FORGET:
        return forget(heard);
      case v1::METHOD_LAUNCH_UPDATE_NODE:
        return update_node(heard);
      default:
        return fail(heard, BERTH_UNIMPLEMENTED, "unknown");
    }
  }

  void plan(const Heard& heard) {
    const auto request = read<v1::PlanRequest>(heard);
    v1::PlanResponse response;
    v1::Requirement& requirement = *response.mutable_requirement();
    for (const auto& container : request.definition().container_definitions()) {
      requirement.set_cpu(requirement.cpu() + container.cpu());
      requirement.set_memory_mib(requirement.memory_mib() + container.memory());
      for (const auto& mapping : container.port_mappings()) {
        if (mapping.host_port() == 0) continue;
        v1::Port* port = requirement.add_ports();
        port->set_number(static_cast<std::uint32_t>(mapping.host_port()));
        port->set_protocol(v1::Port::PROTOCOL_TCP);
      }
    }
    answer(heard, BERTH_OK, response.SerializeAsString());
  }

  void start(const Heard& heard, const std::string& mode) {
    const auto request = read<v1::StartTaskRequest>(heard);
    const std::string& id = request.task_id();
    if (world().tasks.count(id) != 0) return answer(heard, BERTH_OK, "");
    if (world().buried.count(id) != 0) return fail(heard, BERTH_ALREADY_EXISTS, "it was here");
    const auto node = world().nodes.find(request.node_id());
    const auto& containers = request.definition().container_definitions();
    const bool bad = !containers.empty() && containers[0].image() == "bad";
    if (mode == "refuse" || bad || node == world().nodes.end()) {
      world().buried.insert(id);
      return fail(heard, BERTH_PRECONDITION, "ResourceInitializationError: it cannot be");
    }
    if (!node->second.connected) return fail(heard, BERTH_UNAVAILABLE, "its host is away");
    Task& task = world().tasks[id];
    task.node = request.node_id();
    task.cpu = request.requirement().cpu();
    for (const auto& container : containers) {
      task.containers.push_back(container.name());
      task.checked = task.checked || container.has_health_check();
      task.sick = task.sick || container.image() == "sick";
    }
    task.digest = "sha256:" + std::to_string(world().pushes);
    const auto pin = request.pinned_digests().find("main");
    if (pin != request.pinned_digests().end()) task.digest = pin->second;
    if (mode == "half") {
      fail(heard, BERTH_INTERNAL, "broke halfway");
    } else {
      answer(heard, BERTH_OK, "");
    }
    speak_task(id);
  }

  void stop(const Heard& heard) {
    const auto request = read<v1::StopTaskRequest>(heard);
    const auto task = world().tasks.find(request.task_id());
    if (task == world().tasks.end()) {
      // Calls about one task take effect in their order: a start that was left lying is over.
      std::erase_if(inbox_, [&](const Heard& earlier) {
        return earlier.method == v1::METHOD_LAUNCH_START &&
               read<v1::StartTaskRequest>(earlier).task_id() == request.task_id();
      });
      return fail(heard, BERTH_NOT_FOUND, "no such task");
    }
    if (!reachable(task->second)) return fail(heard, BERTH_UNAVAILABLE, "its host is away");
    task->second.stopping = true;
    answer(heard, BERTH_OK, "");
  }

  void update_node(const Heard& heard) {
    const auto request = read<v1::UpdateNodeRequest>(heard);
    if (request.wish() == v1::UpdateNodeRequest::WISH_DEREGISTER &&
        world().nodes.count(request.node_id()) > 0) {
      let_go_ = request.node_id();
      remove(request.node_id());
    }
    answer(heard, BERTH_OK, "");
  }

  void list(const Heard& heard) {
    v1::ListOwnedResponse response;
    for (const auto& [id, task] : world().tasks) {
      if (reachable(task)) *response.add_tasks() = report(id, task);
    }
    for (const auto& [id, node] : world().nodes) {
      if (!node.connected) response.add_unreachable_nodes(id);
    }
    answer(heard, BERTH_OK, response.SerializeAsString());
    speak_inventory();
  }

  void recover(const Heard& heard) {
    v1::RecoverResponse response;
    const auto request = read<v1::RecoverRequest>(heard);
    for (const auto& asked : request.tasks()) {
      const auto node = world().nodes.find(asked.node_id());
      const auto task = world().tasks.find(asked.task_id());
      if (node != world().nodes.end() && !node->second.connected) {
        response.add_unreachable(asked.task_id());
      } else if (task != world().tasks.end()) {
        *response.add_known() = report(task->first, task->second);
      } else {
        response.add_unknown(asked.task_id());
      }
    }
    answer(heard, BERTH_OK, response.SerializeAsString());
  }

  void forget(const Heard& heard) {
    const auto request = read<v1::ForgetTasksRequest>(heard);
    for (const std::string& id : request.task_ids()) {
      const auto task = world().tasks.find(id);
      if (task == world().tasks.end() || task->second.phase != v1::TASK_PHASE_STOPPED) continue;
      world().tasks.erase(task);
      world().buried.insert(id);
    }
    answer(heard, BERTH_OK, "");
  }

  static bool reachable(const Task& task) {
    const auto node = world().nodes.find(task.node);
    return node != world().nodes.end() && node->second.connected;
  }

  void step(const std::string& id, bool exit) {
    const auto at = world().tasks.find(id);
    if (at == world().tasks.end() || at->second.phase == v1::TASK_PHASE_STOPPED) return;
    Task& task = at->second;
    if (task.phase == v1::TASK_PHASE_PENDING && !task.stopping) {
      task.phase = v1::TASK_PHASE_RUNNING;
      task.ran = true;
      ++task.runs;
    } else if (task.phase == v1::TASK_PHASE_RUNNING && task.stopping && !exit) {
      task.phase = v1::TASK_PHASE_STOPPING;
    } else if (task.phase == v1::TASK_PHASE_RUNNING && task.checked && !task.stopping && !exit &&
               task.health.empty()) {
      task.health = task.sick ? "UNHEALTHY" : "HEALTHY";
    } else if (task.stopping || exit) {
      task.phase = v1::TASK_PHASE_STOPPED;
    } else {
      return;
    }
    ++task.sequence;
    if (reachable(task)) speak_task(id);
  }

  void ail(const std::string& id) {
    const auto at = world().tasks.find(id);
    if (at == world().tasks.end() || at->second.health != "HEALTHY" ||
        at->second.phase != v1::TASK_PHASE_RUNNING) {
      return;
    }
    at->second.health = "UNHEALTHY";
    ++at->second.sequence;
    if (reachable(at->second)) speak_task(id);
  }

  void connect(const std::string& id, bool connected) {
    const auto node = world().nodes.find(id);
    if (node == world().nodes.end() || node->second.connected == connected) return;
    node->second.connected = connected;
    speak_delta(id, false);
    if (!connected) return;
    for (const auto& [task_id, task] : world().tasks) {
      if (task.node == id) speak_task(task_id);
    }
  }

  // Its tasks end with it, untold.
  void remove(const std::string& id) {
    if (world().nodes.erase(id) == 0) return;
    for (auto at = world().tasks.begin(); at != world().tasks.end();) {
      if (at->second.node == id) {
        world().buried.insert(at->first);
        at = world().tasks.erase(at);
      } else {
        ++at;
      }
    }
    speak_delta(id, true);
  }

  static v1::TaskReport report(const std::string& id, const Task& task) {
    v1::TaskReport report;
    report.set_task_id(id);
    report.set_node_id(task.node);
    report.set_sequence(task.sequence);
    report.set_phase(task.phase);
    for (const std::string& name : task.containers) {
      v1::ContainerReport* container = report.add_containers();
      container->set_name(name);
      const bool over = task.phase == v1::TASK_PHASE_STOPPED;
      const bool begun = task.phase >= v1::TASK_PHASE_RUNNING;
      container->set_last_status(over ? "STOPPED" : begun ? "RUNNING" : "PENDING");
      if (over && task.ran) container->set_exit_code(0);
      if (begun) container->set_image_digest(task.digest);
    }
    if (task.phase == v1::TASK_PHASE_RUNNING) report.set_health_status(task.health);
    return report;
  }

  void speak_task(const std::string& id) {
    const std::string payload = report(id, world().tasks.at(id)).SerializeAsString();
    outbox_.push_back({v1::EVENT_LAUNCH_TASK, 0, BERTH_OK, payload});
  }

  static v1::Node message_of(const std::string& id, const NodeState& state) {
    v1::Node node;
    node.set_id(id);
    node.set_cluster("default");
    node.set_connected(state.connected);
    // Two zones: the id's last digit is even or odd.
    auto* zone = node.add_attributes();
    zone->set_name("ecs.availability-zone");
    zone->set_value(id.back() % 2 == 0 ? "zone-a" : "zone-b");
    for (const auto& [name, total] :
         {std::pair<const char*, std::int64_t>{"CPU", state.cpu}, {"MEMORY", state.memory}}) {
      v1::Resource* resource = node.add_resources();
      resource->set_name(name);
      resource->mutable_counter()->set_total(total);
    }
    return node;
  }

  void speak_inventory() {
    v1::InventorySnapshot snapshot;
    snapshot.set_generation(++generation_);
    for (const auto& [id, node] : world().nodes) *snapshot.add_nodes() = message_of(id, node);
    outbox_.push_back({v1::EVENT_LAUNCH_INVENTORY, 0, BERTH_OK, snapshot.SerializeAsString()});
  }

  void speak_delta(const std::string& id, bool removed) {
    v1::InventoryDelta delta;
    delta.set_base(generation_);
    delta.set_generation(++generation_);
    if (removed) {
      delta.add_removals(id);
    } else {
      *delta.add_upserts() = message_of(id, world().nodes.at(id));
    }
    outbox_.push_back({v1::EVENT_LAUNCH_INVENTORY_DELTA, 0, BERTH_OK, delta.SerializeAsString()});
  }

  static std::string dump() {
    std::string lines;
    for (const auto& [id, task] : world().tasks) {
      lines += id + " " + task.node + " " + std::to_string(static_cast<int>(task.phase)) + " " +
               std::to_string(task.runs) + " " + std::to_string(task.cpu) + "\n";
    }
    return lines;
  }

  const berth_host* host_;
  std::uint64_t generation_ = 0;
  std::string let_go_;  // by the last work
  std::deque<Heard> inbox_;
  std::deque<Said> outbox_;
};

berth_status create(const berth_host* host, berth_bytes, void** instance) {
  *instance = new Instance(host);
  return BERTH_OK;
}
berth_status call(void* instance, std::uint32_t method, berth_bytes request,
                  std::uint64_t operation, std::uint32_t) {
  return static_cast<Instance*>(instance)->call(method, request, operation);
}
void cancel(void*, std::uint64_t) {}
void destroy(void* instance) {
  delete static_cast<Instance*>(instance);
}

}  // namespace

extern "C" BERTH_EXPORT const berth_plugin berth_plugin_v1 = {sizeof(berth_plugin),
                                                              BERTH_ABI_MAJOR,
                                                              BERTH_ABI_MINOR,
                                                              "sim",
                                                              "1",
                                                              create,
                                                              call,
                                                              cancel,
                                                              destroy};
