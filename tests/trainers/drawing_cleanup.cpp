// Cairo and Fontconfig keep caches for the life of a process, by pointers that the leak checker cannot follow.
// They are emptied at the end of the tests, so that what it reports then are leaks of ours.
#include <cairo.h>
#include <fontconfig/fontconfig.h>
#include <gtest/gtest.h>

namespace {

class EmptyCaches : public testing::Environment {
  void TearDown() override {
    cairo_debug_reset_static_data();
    FcFini();
  }
};

const auto* const kRegistered = testing::AddGlobalTestEnvironment(new EmptyCaches);

}  // namespace
