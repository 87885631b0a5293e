# SPDX-License-Identifier: Apache-2.0
# What the whole build and the engine's own (core/placement/CMakeLists.txt) both compile.
set(BERTH_PLACEMENT_ORACLE oracle.cpp oracle_scores.cpp scale_in_oracle.cpp twins.cpp worlds.cpp)
# Tests that need GoogleTest and nothing else.
set(BERTH_PLACEMENT_PLAIN_TESTS affinity_test.cpp devices_test.cpp engine_test.cpp scale_in_test.cpp scored_test.cpp)
