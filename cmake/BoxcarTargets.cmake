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

# boxcar_library(runtime SOURCES a.cpp ... CUDA_SOURCES a.cu ... LINKS other ...)
function(boxcar_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;CUDA_SOURCES;LINKS;PRIVATE_LINKS" ${ARGN})
  add_library(boxcar_${name} STATIC ${ARG_SOURCES})
  if(ARG_CUDA_SOURCES)
    boxcar_cuda_sources(boxcar_${name} ${ARG_CUDA_SOURCES})
  endif()
  target_include_directories(boxcar_${name} PUBLIC "${BOXCAR_INCLUDE_DIR}")
  target_link_libraries(boxcar_${name} PUBLIC boxcar_options ${ARG_LINKS} PRIVATE ${ARG_PRIVATE_LINKS})
endfunction()
