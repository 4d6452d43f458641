#include "boxcar/kernels/vendor/libraries.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "boxcar/runtime/base/error.h"

namespace boxcar::kernels {
namespace {

TEST(VendorLibraries, AreNamedEachOnce) {
  const std::vector<LibraryVersion> libraries = library_versions();
  ASSERT_EQ(libraries.size(), 4u);
  EXPECT_EQ(libraries[0].name, "cuDNN");
  EXPECT_EQ(libraries[3].name, "oneDNN");
  EXPECT_FALSE(libraries[3].version.empty());
}

TEST(VendorLibraries, AreWantedUnlessTheEnvironmentSaysOff) {
  const char* const before = std::getenv("BOXCAR_VENDOR");
  const std::string kept = before ? before : "on";
  unsetenv("BOXCAR_VENDOR");
  EXPECT_TRUE(vendor_libraries_wanted());
  setenv("BOXCAR_VENDOR", "off", 1);
  EXPECT_FALSE(vendor_libraries_wanted());
  setenv("BOXCAR_VENDOR", "no", 1);
  EXPECT_THROW(vendor_libraries_wanted(), ArgumentError);
  setenv("BOXCAR_VENDOR", kept.c_str(), 1);
}

}  // namespace
}  // namespace boxcar::kernels
