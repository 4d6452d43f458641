#include "boxcar/runtime/files/embedded.h"

#include <gtest/gtest.h>

#include <fstream>

#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace {

TEST(EmbeddedFiles, HoldTheTextOfTheFilesInTheTree) {
  std::ifstream in(std::string(BOXCAR_SOURCE_DIR) + "/cfg/default.yaml", std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  EXPECT_EQ(embedded_file("default.yaml"), text);
  for (const auto name : embedded_files()) EXPECT_TRUE(has_embedded_file(name));
}

TEST(EmbeddedFiles, RefuseAnUnknownName) {
  EXPECT_FALSE(has_embedded_file("models/none.yaml"));
  EXPECT_THROW(embedded_file("../default.yaml"), Error);
  EXPECT_TRUE(embedded_files("no/").empty());
}

}  // namespace
}  // namespace boxcar
