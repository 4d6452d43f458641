# Run at build time: writes the C++ table that runtime/files/embedded.cpp searches.
# FOLDER, FILES (paths below it, separated by |), OUTPUT.

string(REPLACE "|" ";" FILES "${FILES}")
set(delimiter "boxcar_file")
set(rows "")
foreach(name IN LISTS FILES)
  file(READ "${FOLDER}/${name}" text)
  string(FIND "${text}" ")${delimiter}\"" clash)
  if(NOT clash EQUAL -1)
    message(FATAL_ERROR "${name} contains the text that ends an embedded file")
  endif()
  string(APPEND rows "    {\"${name}\", R\"${delimiter}(${text})${delimiter}\"},\n")
endforeach()
file(WRITE "${OUTPUT}" "// Generated from ${FOLDER}.
#include \"boxcar/runtime/files/embedded.h\"

namespace boxcar::detail {
namespace {
constexpr EmbeddedFile kFiles[] = {
${rows}};
}  // namespace
std::span<const EmbeddedFile> embedded_table() { return kFiles; }
}  // namespace boxcar::detail
")
