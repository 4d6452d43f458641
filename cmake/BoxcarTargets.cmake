# One library a folder. Headers are found as "boxcar/<folder>/...", in the tree
# through links in the build folder and in the same spelling once installed.

set(BOXCAR_INCLUDE_DIR "${CMAKE_BINARY_DIR}/include")
file(MAKE_DIRECTORY "${BOXCAR_INCLUDE_DIR}/boxcar")
foreach(folder runtime kernels nn data trainers)
  file(CREATE_LINK "${PROJECT_SOURCE_DIR}/${folder}" "${BOXCAR_INCLUDE_DIR}/boxcar/${folder}" SYMBOLIC)
endforeach()
file(CREATE_LINK "${PROJECT_SOURCE_DIR}/trainers/boxcar.h" "${BOXCAR_INCLUDE_DIR}/boxcar/boxcar.h" SYMBOLIC)

# CUDA sources of a target: for nvcc, or as C++ under EMULATE, or left out.
# No strict aliasing there: kernels read floats as uint4, which is CUDA's custom.
function(boxcar_cuda_sources target)
  if(BOXCAR_CUDA STREQUAL "ON")
    target_sources(${target} PRIVATE ${ARGN})
    target_link_libraries(${target} PRIVATE CUDA::cudart_static)
  elseif(BOXCAR_CUDA STREQUAL "EMULATE")
    target_sources(${target} PRIVATE ${ARGN})
    set_source_files_properties(${ARGN} PROPERTIES LANGUAGE CXX
      COMPILE_OPTIONS "-Wno-unknown-pragmas;-fno-strict-aliasing")
    target_include_directories(${target} SYSTEM PRIVATE "${BOXCAR_CUDA_INCLUDE_DIR}")
  endif()
endfunction()

# boxcar_library(runtime SOURCES a.cpp ... VECTOR_SOURCES b.cpp ... CUDA_SOURCES a.cu ... LINKS other ...)
# VECTOR_SOURCES: those that Highway compiles for each instruction set.
# DETECT_RACES: kernels_race_test needs it; see boxcar_race_library.
function(boxcar_library name)
  cmake_parse_arguments(ARG "DETECT_RACES" "" "SOURCES;VECTOR_SOURCES;CUDA_SOURCES;LINKS;PRIVATE_LINKS" ${ARGN})
  list(APPEND ARG_SOURCES ${ARG_VECTOR_SOURCES})
  add_library(boxcar_${name} STATIC ${ARG_SOURCES})
  if(BOXCAR_SANITIZE)  # vectors are values; watching the scope of each of them doubles the time of compiling these
    set_property(SOURCE ${ARG_VECTOR_SOURCES} APPEND PROPERTY COMPILE_OPTIONS -fno-sanitize-address-use-after-scope)
  endif()
  if(ARG_CUDA_SOURCES)
    boxcar_cuda_sources(boxcar_${name} ${ARG_CUDA_SOURCES})
  endif()
  target_include_directories(boxcar_${name} PUBLIC "${BOXCAR_INCLUDE_DIR}")
  target_link_libraries(boxcar_${name} PUBLIC boxcar_options ${ARG_LINKS} PRIVATE ${ARG_PRIVATE_LINKS})
  if(ARG_DETECT_RACES AND BOXCAR_DETECT_RACES)
    boxcar_race_library(${name} SOURCES ${ARG_SOURCES} CUDA_SOURCES ${ARG_CUDA_SOURCES}
                        LINKS ${ARG_LINKS} PRIVATE_LINKS ${ARG_PRIVATE_LINKS})
  endif()
endfunction()

# The same sources once more, as boxcar_<name>_races: kernels under ThreadSanitizer, what is around them (emulation,
# CPU code) without a sanitizer (docs/emulation.md). The kernels are objects, boxcar_<name>_kernels_races, that come
# first in the program: of inline functions that both parts have, the linker takes theirs. Vector code is compiled for
# the least instruction set alone.
function(boxcar_race_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;CUDA_SOURCES;LINKS;PRIVATE_LINKS" ${ARGN})
  list(TRANSFORM ARG_LINKS APPEND "_races" REGEX "^boxcar_(runtime|kernels|test_support)$")
  add_library(boxcar_${name}_races STATIC ${ARG_SOURCES})
  target_include_directories(boxcar_${name}_races PUBLIC "${BOXCAR_INCLUDE_DIR}")
  target_compile_definitions(boxcar_${name}_races PUBLIC BOXCAR_DETECT_RACES=1 HWY_COMPILE_ONLY_STATIC=1)
  target_link_libraries(boxcar_${name}_races PUBLIC boxcar_unsanitized ${ARG_LINKS} PRIVATE ${ARG_PRIVATE_LINKS})
  if(ARG_CUDA_SOURCES)
    add_library(boxcar_${name}_kernels_races OBJECT)
    boxcar_cuda_sources(boxcar_${name}_kernels_races ${ARG_CUDA_SOURCES})
    target_compile_options(boxcar_${name}_kernels_races PRIVATE -fsanitize=thread)
    target_link_libraries(boxcar_${name}_kernels_races PRIVATE boxcar_${name}_races)
  endif()
endfunction()
