# What a user may choose, and what follows from it for every target.

set(BOXCAR_CUDA "" CACHE STRING "CUDA kernels: ON, OFF or EMULATE (run .cu files on the CPU, for tests). Empty: ON where nvcc is found")
set_property(CACHE BOXCAR_CUDA PROPERTY STRINGS ON OFF EMULATE)
set(BOXCAR_CUDA_ARCHITECTURES "80;90a;100" CACHE STRING "Architectures the CUDA kernels are compiled for")
option(BOXCAR_SANITIZE "AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
option(BOXCAR_TESTS "Build the tests" ON)
option(BOXCAR_BENCH "Build the benchmarks of bench/" OFF)
option(BOXCAR_WERROR "Warnings are errors" ON)
set(BOXCAR_SHARED "${CMAKE_CURRENT_SOURCE_DIR}/../shared" CACHE PATH
    "Folder with golden numbers and test data; tests that need it are skipped where it is absent")

if(BOXCAR_CUDA STREQUAL "")
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    set(BOXCAR_CUDA ON)
  else()
    set(BOXCAR_CUDA OFF)
  endif()
endif()
if(NOT BOXCAR_CUDA MATCHES "^(ON|OFF|EMULATE)$")
  message(FATAL_ERROR "BOXCAR_CUDA is '${BOXCAR_CUDA}'; it must be ON, OFF or EMULATE")
endif()
if(BOXCAR_CUDA STREQUAL "ON")
  set(CMAKE_CUDA_ARCHITECTURES "${BOXCAR_CUDA_ARCHITECTURES}")
  enable_language(CUDA)
  if(NOT DEFINED CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # nvcc knows C++20, CMake 3.25 does not know that
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
  endif()
  set(CMAKE_CUDA_STANDARD 20)
  set(CMAKE_CUDA_STANDARD_REQUIRED ON)
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
# Release keeps assertions out and full optimisation in; a sanitised build is
# optimised too, or the emulated kernels would take minutes.
set(CMAKE_CXX_FLAGS_RELEASE "-O3 -DNDEBUG")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g1")

find_program(BOXCAR_CCACHE ccache)
set(CMAKE_CUDA_COMPILER_LAUNCHER "${CMAKE_CURRENT_SOURCE_DIR}/cmake/keep-ptxas-report")
if(BOXCAR_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${BOXCAR_CCACHE}")
  list(APPEND CMAKE_CUDA_COMPILER_LAUNCHER "${BOXCAR_CCACHE}")
endif()

# boxcar_options: what every target of the project is compiled with. boxcar_unsanitized: the same but for sanitizers.
add_library(boxcar_unsanitized INTERFACE)
target_compile_options(boxcar_unsanitized INTERFACE
  # -Wrestrict is wrong about std::string concatenation in GCC 12 (its bug 105651).
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow=local -Wno-restrict -fno-math-errno -fno-trapping-math>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${BOXCAR_WERROR}>>:-Werror>
  $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra -Xptxas=-v,-warn-spills>
  $<$<AND:$<COMPILE_LANGUAGE:CUDA>,$<BOOL:${BOXCAR_WERROR}>>:-Werror=all-warnings>)
add_library(boxcar_options INTERFACE)
target_link_libraries(boxcar_options INTERFACE boxcar_unsanitized)
set(BOXCAR_DETECT_RACES OFF)
if(BOXCAR_SANITIZE)
  # The sanitisers' own code makes GCC 12 see sizes and paths that are not there.
  target_compile_options(boxcar_unsanitized INTERFACE
    -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-array-bounds)
  # Null pointers are AddressSanitizer's to find; UBSan's check of each use is a quarter of the time of compiling.
  target_compile_options(boxcar_options INTERFACE
    -fsanitize=address,undefined -fno-sanitize=null -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  target_link_options(boxcar_options INTERFACE -fsanitize=address,undefined)
endif()
if(BOXCAR_CUDA STREQUAL "ON")
  # fmt takes nvcc for a compiler without C++14's constexpr, and its check of format strings then fails to compile.
  target_compile_definitions(boxcar_unsanitized INTERFACE BOXCAR_WITH_CUDA=1 $<$<COMPILE_LANGUAGE:CUDA>:FMT_USE_CONSTEXPR=1>)
elseif(BOXCAR_CUDA STREQUAL "EMULATE")
  set(BOXCAR_DETECT_RACES ${BOXCAR_SANITIZE})
  target_compile_definitions(boxcar_unsanitized INTERFACE BOXCAR_WITH_CUDA=1 BOXCAR_EMULATE_CUDA=1)
endif()
