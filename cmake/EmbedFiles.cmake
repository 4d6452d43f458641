# boxcar_embed_files(target FOLDER dir FILES a.yaml models/b.yaml ...): a library that holds the files' text in the
# binary, looked up by their path below FOLDER (runtime/files/embedded.h). The table is regenerated when a file changes.

function(boxcar_embed_files target)
  cmake_parse_arguments(ARG "" "FOLDER" "FILES" ${ARGN})
  set(table "${CMAKE_CURRENT_BINARY_DIR}/${target}_table.cpp")
  list(TRANSFORM ARG_FILES PREPEND "${ARG_FOLDER}/" OUTPUT_VARIABLE paths)
  list(JOIN ARG_FILES "|" names)
  add_custom_command(
    OUTPUT "${table}"
    COMMAND "${CMAKE_COMMAND}" "-DFOLDER=${ARG_FOLDER}" "-DFILES=${names}" "-DOUTPUT=${table}"
            -P "${PROJECT_SOURCE_DIR}/cmake/WriteEmbeddedTable.cmake"
    DEPENDS ${paths} "${PROJECT_SOURCE_DIR}/cmake/WriteEmbeddedTable.cmake"
    COMMENT "Embedding the files of ${ARG_FOLDER}"
    VERBATIM)
  add_library(${target} STATIC "${table}" "${PROJECT_SOURCE_DIR}/runtime/files/embedded.cpp")
  target_include_directories(${target} PUBLIC "${BOXCAR_INCLUDE_DIR}")
  target_link_libraries(${target} PUBLIC boxcar_options boxcar_runtime)
endfunction()
