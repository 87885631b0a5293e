// SPDX-License-Identifier: Apache-2.0
#include "sdk/runtime/network/interface_table.hpp"

#include <nftables/libnftables.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <sstream>
#include <utility>

#include "sdk/runtime/network/group_rules.hpp"

namespace berth::runtime {
namespace {

std::string list(const std::set<std::string>& items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : ", ") + item;
  return text;
}

std::string block(const std::string& chain, const std::string& rules) {
  return "  chain " + chain + " {\n" + rules + "  }\n";
}

std::set<std::string> in_set(const InterfaceTable::Members& members, const std::string& group) {
  const auto at = members.find(group);
  return at == members.end() ? std::set<std::string>() : at->second;
}

}  // namespace

InterfaceTable::InterfaceTable(const std::string& bridge, std::string link_prefix)
    : comment_("berth:" + bridge + ".eni"),
      prefix_(std::move(link_prefix)),
      nft_(::nft_ctx_new(NFT_CTX_DEFAULT)) {
  table_ = bridge == "berth0" ? "berth_eni" : "berth_eni_" + bridge;
  std::replace(table_.begin(), table_.end(), '-', '_');
  ::nft_ctx_buffer_output(nft_);
  ::nft_ctx_buffer_error(nft_);
}

InterfaceTable::~InterfaceTable() {
  ::nft_ctx_free(nft_);
}

sdk::Result<std::string> InterfaceTable::run(const std::string& commands, bool with_handles) {
  ::nft_ctx_output_set_flags(nft_, with_handles ? NFT_CTX_OUTPUT_HANDLE : 0);
  const int status = ::nft_run_cmd_from_buffer(nft_, commands.c_str());
  std::string output = ::nft_ctx_get_output_buffer(nft_);
  const std::string error = ::nft_ctx_get_error_buffer(nft_);
  if (status == 0) return output;
  return sdk::fail(BERTH_INTERNAL, "nftables: " + error.substr(0, error.find('\n')));
}

sdk::Result<void> InterfaceTable::apply(const std::string& commands) {
  if (commands.empty()) return {};
  auto done = run(commands);
  if (!done) return done.error();
  return {};
}

// Two chains at the same hook, since an accept ends one chain only: what leaves one task for
// another passes both.
std::string InterfaceTable::base() const {
  const std::string ours = "\"" + prefix_ + "*\"";
  return "  set own { type ipv4_addr; }\n"
         "  set local { type ipv4_addr; flags interval; auto-merge; }\n"
         "  set closed { type ipv4_addr . inet_service; }\n"
         "  map from_task { type ifname : verdict; }\n"
         "  map to_task { type ifname : verdict; }\n" +
         block("host",
               "    type filter hook input priority filter; policy accept;\n"
               "    ct state established,related accept\n"
               // The agent's ports and the control plane's, whatever listens on this host.
               "    iifname " +
                   ours +
                   " drop\n"
                   // The same for tasks of other hosts. The gateway's address is this host's own.
                   "    iifname != \"lo\" ip saddr @local drop\n") +
         block("egress",
               "    type filter hook forward priority filter; policy accept;\n"
               "    iifname " +
                   ours +
                   " ip daddr . tcp dport @closed drop\n"
                   "    iifname vmap @from_task\n"
                   "    iifname " +
                   ours + " drop\n") +
         block("ingress",
               "    type filter hook forward priority filter + 1; policy accept;\n"
               "    oifname vmap @to_task\n"
               "    oifname " +
                   ours + " drop\n") +
         block("way_out",
               "    type nat hook postrouting priority srcnat; policy accept;\n"
               "    ip saddr @own ip daddr != @local masquerade\n");
}

std::string InterfaceTable::chains_for(const Entry& entry, const Members& members) {
  std::string text;
  std::set<std::string> seen;
  for (const SecurityGroup& group : entry.interface.groups) {
    if (!seen.insert(group.id).second) continue;
    for (const std::string& named : groups_named(group)) {
      if (named_[named]++ > 0) continue;
      members_[named] = in_set(members, named);
      text += "  set " + member_set(named) + " { type ipv4_addr; ";
      if (!members_[named].empty()) text += "elements = { " + list(members_[named]) + " }; ";
      text += "}\n";
    }
    for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
      const std::string chain = group_chain(group, direction);
      if (chains_[chain]++ == 0) text += block(chain, group_chain_rules(group, direction));
    }
  }
  for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
    text += block(task_chain(entry.interface.id, direction),
                  task_chain_rules(entry.interface, direction));
  }
  return text;
}

std::string InterfaceTable::elements_for(const Entry& entry, std::set<std::string>& ranges) const {
  const std::string add = "add element ip " + table_ + " ";
  const std::string key = "{ \"" + entry.link + "\" : goto ";
  std::string text = add + "own { " + entry.interface.address + " }\n";
  for (const std::string& range : entry.interface.network_cidrs) {
    if (!ranges.insert(range).second) continue;
    text += add + "local { " + range + " }\n";
  }
  text += add + "from_task " + key + task_chain(entry.interface.id, Direction::Egress) + " }\n";
  return text + add + "to_task " + key + task_chain(entry.interface.id, Direction::Ingress) +
         " }\n";
}

void InterfaceTable::forget_all() {
  chains_.clear();
  named_.clear();
  members_.clear();
}

sdk::Result<void> InterfaceTable::install(const std::vector<Entry>& entries,
                                          const Members& members) {
  forget_all();
  std::string chains;
  std::string elements;
  std::set<std::string> ranges;
  for (const Entry& entry : entries) {
    chains += chains_for(entry, members);
    elements += elements_for(entry, ranges);
  }
  if (!closed_.empty()) elements += "add element ip " + table_ + " closed { " + closed_ + " }\n";
  const std::string table = "table ip " + table_;
  auto done = apply(table + "\ndelete " + table + "\n" + table + " {\n" + base() + chains + "}\n" +
                    elements);
  if (!done) {
    forget_all();
    return done;
  }
  return open_forward();
}

sdk::Result<void> InterfaceTable::add(const Entry& entry, const Members& members) {
  const auto chains = chains_;
  const auto named = named_;
  const auto sets = members_;
  std::set<std::string> ranges;
  std::string text = "table ip " + table_ + " {\n" + chains_for(entry, members) + "}\n" +
                     elements_for(entry, ranges);
  auto done = apply(text);
  if (done) return update(members);
  chains_ = chains;
  named_ = named;
  members_ = sets;
  return done;
}

sdk::Result<void> InterfaceTable::remove(const Entry& entry) {
  const std::string where = " ip " + table_ + " ";
  std::string text = "delete element" + where + "from_task { \"" + entry.link +
                     "\" }\ndelete element" + where + "to_task { \"" + entry.link +
                     "\" }\ndelete element" + where + "own { " + entry.interface.address + " }\n";
  const auto drop_chain = [&](const std::string& chain) {
    text += "flush chain" + where + chain + "\ndelete chain" + where + chain + "\n";
  };
  for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
    drop_chain(task_chain(entry.interface.id, direction));
  }
  auto chains = chains_;
  auto named = named_;
  std::string sets;
  std::set<std::string> seen;
  for (const SecurityGroup& group : entry.interface.groups) {
    if (!seen.insert(group.id).second) continue;
    for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
      const auto at = chains.find(group_chain(group, direction));
      if (at == chains.end() || --at->second > 0) continue;
      drop_chain(at->first);
      chains.erase(at);
    }
    for (const std::string& one : groups_named(group)) {
      const auto at = named.find(one);
      if (at == named.end() || --at->second > 0) continue;
      sets += "delete set" + where + member_set(one) + "\n";
      named.erase(at);
    }
  }
  if (auto done = apply(text + sets); !done) return done;
  chains_ = std::move(chains);
  named_ = std::move(named);
  std::erase_if(members_, [this](const auto& one) { return !named_.contains(one.first); });
  return {};
}

sdk::Result<void> InterfaceTable::update(const Members& members) {
  std::string text;
  auto next = members_;
  for (auto& [group, have] : next) {
    const std::set<std::string> wanted = in_set(members, group);
    std::set<std::string> fresh;
    std::set<std::string> gone;
    std::set_difference(wanted.begin(), wanted.end(), have.begin(), have.end(),
                        std::inserter(fresh, fresh.end()));
    std::set_difference(have.begin(), have.end(), wanted.begin(), wanted.end(),
                        std::inserter(gone, gone.end()));
    const std::string where = " element ip " + table_ + " " + member_set(group) + " { ";
    if (!fresh.empty()) text += "add" + where + list(fresh) + " }\n";
    if (!gone.empty()) text += "delete" + where + list(gone) + " }\n";
    have = wanted;
  }
  if (auto done = apply(text); !done) return done;
  members_ = std::move(next);
  return {};
}

sdk::Result<void> InterfaceTable::close(const Doors& doors) {
  std::string elements;
  for (const std::uint16_t port : doors.ports) {
    elements += (elements.empty() ? "" : ", ") + doors.address + " . " + std::to_string(port);
  }
  if (elements == closed_) return {};
  closed_ = elements;
  if (!exists()) return {};
  std::string text = "flush set ip " + table_ + " closed\n";
  if (!closed_.empty()) text += "add element ip " + table_ + " closed { " + closed_ + " }\n";
  return apply(text);
}

sdk::Result<void> InterfaceTable::check_rules(const TaskInterface& interface) {
  std::string text = "table ip berth_check {\n";
  for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
    const bool in = direction == Direction::Ingress;
    std::string rules;
    for (const std::string& rule : in ? interface.ingress_rules : interface.egress_rules) {
      rules += "    " + rule + "\n";
    }
    text += block(in ? "task_in" : "task_out", rules);
  }
  const std::unique_ptr<nft_ctx, decltype(&::nft_ctx_free)> nft(::nft_ctx_new(NFT_CTX_DEFAULT),
                                                                &::nft_ctx_free);
  ::nft_ctx_buffer_output(nft.get());
  ::nft_ctx_buffer_error(nft.get());
  ::nft_ctx_set_dry_run(nft.get(), true);
  if (::nft_run_cmd_from_buffer(nft.get(), (text + "}\n").c_str()) == 0) return {};
  const std::string error = ::nft_ctx_get_error_buffer(nft.get());
  return sdk::fail(BERTH_INVALID,
                   "a rule of a plugin is none: nftables: " + error.substr(0, error.find('\n')));
}

bool InterfaceTable::exists() {
  return run("list set ip " + table_ + " closed\n").has_value();
}

sdk::Result<void> InterfaceTable::open_forward() {
  const auto chain = run("list chain ip filter FORWARD\n");
  if (!chain || chain->find("policy drop") == std::string::npos) return {};
  if (chain->find("\"" + comment_ + "\"") != std::string::npos) return {};
  const std::string rest = " \"" + prefix_ + "*\" counter accept comment \"" + comment_ + "\"\n";
  return apply("insert rule ip filter FORWARD iifname" + rest +
               "insert rule ip filter FORWARD oifname" + rest);
}

sdk::Result<void> InterfaceTable::remove_all() {
  forget_all();
  std::string text = "table ip " + table_ + "\ndelete table ip " + table_ + "\n";
  if (const auto chain = run("list chain ip filter FORWARD\n", true)) {
    std::istringstream lines(*chain);
    for (std::string line; std::getline(lines, line);) {
      const auto handle = line.find("# handle ");
      if (line.find("\"" + comment_ + "\"") == std::string::npos || handle == std::string::npos)
        continue;
      text += "delete rule ip filter FORWARD handle " + line.substr(handle + 9) + "\n";
    }
  }
  return apply(text);
}

}  // namespace berth::runtime
