// SPDX-License-Identifier: Apache-2.0
// What must hold before a figure means anything: the exact players decide alike, and each of the
// others by its own rules.
//
// On small clusters at several fills, with nodes that drain, go and come. What is wrong is written
// to stderr, once.
#pragma once

namespace berth::bench {

// The engine, the engine without SIMD, Scan and ScanSimd choose the same node in each step; with
// the plan `random` each chooses some node that fits, and none only where none fits.
[[nodiscard]] bool exact_players_agree();

// Swarm, Nomad and Kube choose nodes that fit, and none only where none fits; Nomad and Kube look
// at as many nodes as their rules say.
[[nodiscard]] bool peers_keep_their_rules();

}  // namespace berth::bench
