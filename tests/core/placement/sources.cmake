# SPDX-License-Identifier: Apache-2.0
# What the whole build and the engine's own (core/placement/CMakeLists.txt) both compile.
set(BERTH_PLACEMENT_ORACLE oracle.cpp oracle_scores.cpp scale_in_oracle.cpp twins.cpp worlds.cpp)
# Tests that need GoogleTest and nothing else.
set(BERTH_PLACEMENT_PLAIN_TESTS affinity_test.cpp count_tree_test.cpp devices_test.cpp engine_books_test.cpp engine_test.cpp fit_steps_test.cpp fit_tree_test.cpp
  large_memory_test.cpp narrow_test.cpp node_classes_test.cpp node_ids_test.cpp one_pass_test.cpp order_tree_test.cpp pending_nodes_test.cpp scale_in_test.cpp
  scored_test.cpp tally_test.cpp task_lists_test.cpp value_numbers_test.cpp
  view_test.cpp)
