# SPDX-License-Identifier: Apache-2.0
# find_package(Berth): the target Berth::sdk and berth_add_plugin().
#
# The messages are generated here, in the LITE flavour, with the Protobuf of whoever builds the plugin.
include(CMakeFindDependencyMacro)
find_dependency(Threads)
find_dependency(Protobuf)

get_filename_component(_berth_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
include(${CMAKE_CURRENT_LIST_DIR}/BerthProtos.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/BerthPlugin.cmake)

if(NOT TARGET Berth::sdk)
  set(_berth_proto_root ${_berth_prefix}/share/berth/proto)
  file(GLOB_RECURSE _berth_protos RELATIVE ${_berth_proto_root} ${_berth_proto_root}/*.proto)
  berth_protos(berth_proto_lite LITE ROOT ${_berth_proto_root} FILES ${_berth_protos})
  set_target_properties(berth_proto_lite PROPERTIES POSITION_INDEPENDENT_CODE ON)
  add_library(Berth::sdk INTERFACE IMPORTED)
  target_include_directories(Berth::sdk INTERFACE ${_berth_prefix}/include)
  target_link_libraries(Berth::sdk INTERFACE berth_proto_lite Threads::Threads)
endif()
find_program(BERTH_PLUGIN_CHECK berth-plugin-check HINTS ${_berth_prefix}/bin NO_DEFAULT_PATH)
