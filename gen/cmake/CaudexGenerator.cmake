# caudex_add_protocol(): from a description to libraries. Used by Caudex itself, and by
# whoever says find_package(Caudex); CAUDEX_GEN_DIR is the folder of the generator.
#
#   caudex_add_protocol(TARGET DESCRIPTION.cdx [NAME SHOWN] [OUT DIR])
#
# Makes
#   TARGET            a static library: messages, parsers, encoders; brings its include folder along
#   TARGET_client     for protocols of calls: the client; brings TARGET along
#   TARGET_generated  all generated files are up to date: also the reference, the Python module, the
#                     test vectors and the fuzz harnesses
# The headers are <caudex/PREFIX.h> and, for calls, <caudex/PREFIX_client.h> and <caudex/PREFIX_dispatch.h>;
# PREFIX is the description's. NAME is what generated comments and messages call the description
# (default: its file name), OUT where the files go (default: generated/PREFIX in the current build folder, or in
# CAUDEX_GENERATED_DIR). When the description, a file that it imports or the generator changes, all is made anew;
# files that come out the same are not touched.

function(_caudex_python_ok result interp)
  execute_process(COMMAND "${interp}" -I -B -c "import sys, jinja2, lark; sys.exit(sys.version_info < (3, 9))"
                  RESULT_VARIABLE rc OUTPUT_QUIET ERROR_QUIET)
  if(NOT rc EQUAL 0)
    set(${result} FALSE PARENT_SCOPE)
  endif()
endfunction()

# Finds Python and Ragel (cache variables GEN_PYTHON, RAGEL); `reason` becomes what is missing, or empty.
function(caudex_find_generator reason)
  set(${reason} "" PARENT_SCOPE)
  find_program(GEN_PYTHON NAMES python3 PATHS /usr/bin VALIDATOR _caudex_python_ok
               DOC "Python that can import jinja2 and lark")
  set(ok TRUE)
  if(GEN_PYTHON)
    _caudex_python_ok(ok "${GEN_PYTHON}") # a cached or given value skips VALIDATOR
  endif()
  if(NOT GEN_PYTHON OR NOT ok)
    set(${reason} "GEN_PYTHON='${GEN_PYTHON}': no Python >= 3.9 that imports jinja2 and lark.\n  apt-get install python3-jinja2 python3-lark, or pass -DGEN_PYTHON=/path/to/python3" PARENT_SCOPE)
    return()
  endif()
  find_program(RAGEL NAMES ragel DOC "The Ragel state machine compiler, 6.10")
  if(NOT RAGEL)
    set(${reason} "ragel was not found.\n  apt-get install ragel" PARENT_SCOPE)
    return()
  endif()
  execute_process(COMMAND ${RAGEL} --version OUTPUT_VARIABLE said RESULT_VARIABLE rc ERROR_QUIET)
  if(NOT rc EQUAL 0 OR NOT said MATCHES "version 6\\.")
    set(${reason} "RAGEL='${RAGEL}' is not Ragel 6.\n  apt-get install ragel, or pass -DRAGEL=/path/to/ragel" PARENT_SCOPE)
  endif()
endfunction()

function(caudex_add_protocol target description)
  cmake_parse_arguments(P "" "NAME;OUT" "" ${ARGN})
  if(P_UNPARSED_ARGUMENTS OR P_KEYWORDS_MISSING_VALUES)
    message(FATAL_ERROR "caudex_add_protocol(${target}): usage: caudex_add_protocol(TARGET DESCRIPTION.cdx [NAME SHOWN] [OUT DIR])")
  endif()
  if(TARGET ${target})
    message(FATAL_ERROR "caudex_add_protocol(${target}): there is a target '${target}' already")
  endif()
  caudex_find_generator(missing)
  if(missing)
    message(FATAL_ERROR "caudex_add_protocol(${target}): ${missing}")
  endif()
  get_filename_component(description "${description}" ABSOLUTE)
  if(NOT P_NAME)
    get_filename_component(P_NAME "${description}" NAME)
  endif()

  # Which files a build makes depends on the description: it is asked whenever that has changed.
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${description}" "${CAUDEX_GEN_DIR}/render.py")
  execute_process(COMMAND ${GEN_PYTHON} -I -B ${CAUDEX_GEN_DIR} build "${description}" --name "${P_NAME}" --list
    OUTPUT_VARIABLE listed ERROR_VARIABLE said RESULT_VARIABLE rc OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT rc EQUAL 0)
    message(NOTICE "${said}") # as it is: an error would break its lines
    message(FATAL_ERROR "caudex_add_protocol(${target}): ${P_NAME} cannot be compiled, see above")
  endif()
  string(REPLACE "\n" ";" listed "${listed}")
  list(POP_FRONT listed p)

  set(g ${P_OUT})
  if(NOT g AND CAUDEX_GENERATED_DIR)
    set(g ${CAUDEX_GENERATED_DIR}/${p})
  elseif(NOT g)
    set(g ${CMAKE_CURRENT_BINARY_DIR}/generated/${p})
  endif()
  get_filename_component(g "${g}" ABSOLUTE BASE_DIR ${CMAKE_CURRENT_BINARY_DIR})
  set(made)
  set(sources)
  set(machines)
  set(client)
  foreach(file IN LISTS listed)
    list(APPEND made ${g}/${file})
    if(file STREQUAL "${p}_client.c")
      set(client ${g}/${file})
    elseif(file MATCHES "_grammar\\.rl$" OR file MATCHES "^fuzz_")
      # included by another, or a program of its own
    elseif(file MATCHES "^[^/]+\\.c$")
      list(APPEND sources ${g}/${file})
    elseif(file MATCHES "^([^/]+)\\.rl$")
      list(APPEND machines ${CMAKE_MATCH_1})
    endif()
  endforeach()

  # The stamp is the output, the files are byproducts: unchanged files are not rewritten, so what depends
  # on them is not rebuilt. The depfile names what is imported, and the generator.
  add_custom_command(
    OUTPUT ${g}/${p}.stamp
    BYPRODUCTS ${made}
    COMMAND ${GEN_PYTHON} -I -B ${CAUDEX_GEN_DIR} build "${description}" --name "${P_NAME}"
      --out ${g} --depfile ${g}/${p}.d --stamp ${g}/${p}.stamp
    DEPENDS "${description}" DEPFILE ${g}/${p}.d VERBATIM
    COMMENT "Generating ${p} from ${P_NAME}")
  foreach(machine IN LISTS machines)
    add_custom_command(
      OUTPUT ${g}/${machine}.c
      COMMAND timeout 60 ${RAGEL} -C -G2 -I . -o ${machine}.c ${machine}.rl
      WORKING_DIRECTORY ${g} DEPENDS ${g}/${p}.stamp VERBATIM)
    list(APPEND sources ${g}/${machine}.c)
  endforeach()
  add_custom_target(${target}_generated DEPENDS ${g}/${p}.stamp)
  set_target_properties(${target}_generated PROPERTIES CAUDEX_DIR ${g} CAUDEX_PREFIX ${p})

  # Position independent, so that shared libraries may be made of it.
  add_library(${target} STATIC ${sources})
  add_dependencies(${target} ${target}_generated)
  target_compile_features(${target} PUBLIC c_std_11)
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${g}/include> PRIVATE ${g})
  target_link_libraries(${target} PUBLIC Caudex::wire)
  set(libraries ${target})
  if(client)
    add_library(${target}_client STATIC ${client})
    add_dependencies(${target}_client ${target}_generated)
    target_link_libraries(${target}_client PUBLIC ${target} Caudex::client)
    list(APPEND libraries ${target}_client)
  endif()
  set_target_properties(${libraries} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  if(TARGET caudex_flags) # Caudex's own build
    foreach(library IN LISTS libraries)
      target_link_libraries(${library} PRIVATE $<BUILD_INTERFACE:caudex_flags>)
    endforeach()
  endif()
endfunction()
