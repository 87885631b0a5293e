# SPDX-License-Identifier: Apache-2.0
# berth_add_plugin(NAME SOURCES a.cpp... [DEPS targets...] [OUTPUT_DIR dir])
#
# Builds libNAME.so: everything hidden but the one symbol that hosts look for, nothing left undefined.
# It lands in BERTH_PLUGIN_DIR (in Berth's own tree lib/berth/plugins, else the top of the build directory) and is
# installed into lib/berth/plugins. With OUTPUT_DIR it lands there and is not installed.
# The same within Berth's tree and after find_package(Berth).


function(berth_add_plugin name)
  cmake_parse_arguments(A "" "OUTPUT_DIR" "SOURCES;DEPS" ${ARGN})
  if(A_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "berth_add_plugin(${name}): unknown arguments: ${A_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT A_SOURCES)
    message(FATAL_ERROR "berth_add_plugin(${name}): no SOURCES")
  endif()
  add_library(${name} MODULE ${A_SOURCES})
  set(dir ${A_OUTPUT_DIR})
  if(NOT dir)
    set(dir ${BERTH_PLUGIN_DIR})
    if(NOT dir)
      set(dir ${CMAKE_BINARY_DIR})
    endif()
    install(TARGETS ${name} LIBRARY DESTINATION lib/berth/plugins COMPONENT plugins)
  endif()
  set_target_properties(${name} PROPERTIES
    PREFIX lib SUFFIX .so OUTPUT_NAME ${name} LIBRARY_OUTPUT_DIRECTORY ${dir}
    POSITION_INDEPENDENT_CODE ON
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    LINK_DEPENDS ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/berth_plugin.version)
  target_compile_features(${name} PRIVATE cxx_std_20)
  if(PROJECT_NAME STREQUAL "berth")
    target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  endif()
  target_link_libraries(${name} PRIVATE ${A_DEPS} Berth::sdk)
  target_link_options(${name} PRIVATE -Wl,--version-script=${CMAKE_CURRENT_FUNCTION_LIST_DIR}/berth_plugin.version -Wl,-z,now)
  if(NOT BERTH_SANITIZE)  # a sanitizer's runtime is the program's
    target_link_options(${name} PRIVATE -Wl,-z,defs)
  endif()
  set_property(GLOBAL APPEND PROPERTY BERTH_PLUGINS ${name})
endfunction()
