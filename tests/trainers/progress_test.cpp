#include "boxcar/trainers/engine/progress.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "boxcar/trainers/engine/console_lines.h"
#include "support/files.h"
#include "support/golden.h"

namespace boxcar {
namespace {

TEST(ConsoleLines, AreTheReferences) {
  BOXCAR_NEED_SHARED();
  const std::string console = test::read_plainly(test::shared("golden/trainer/console.txt"));
  const auto has_line = [&](const std::string& line) { return console.find("\n" + line + "\n") != console.npos; };
  const auto has_start = [&](const std::string& line) { return console.find("\n" + line + ": 100% ") != console.npos; };
  EXPECT_TRUE(has_line(train_header({"box_loss", "cls_loss", "dfl_loss"})));
  EXPECT_TRUE(has_start(train_row({1, 3, 0, {0.70684, 0.54927, 0.41843}, 11, 64})));
  EXPECT_TRUE(has_start(train_row({2, 3, 0, {0.007322, 0.1686, 0.004436}, 11, 64})));
  // 0.36695 in results.csv, but 0.367 here: the value itself lies just above.
  EXPECT_TRUE(has_start(train_row({3, 3, 0, {0.61522, 0.5015, 0.366951}, 4, 64})));
  EXPECT_TRUE(has_start(val_header()));
  EXPECT_TRUE(has_line(val_row({"all", 4, 8, 0, 0, 0, 0})));
  EXPECT_TRUE(has_line(val_row({"blue", 4, 4, 0, 0, 0, 0})));
  EXPECT_TRUE(has_line(val_speed_line(0, 3.6, 0, 0.2)));
  EXPECT_TRUE(has_line(epochs_completed_line(3, 0.6)));
}

TEST(ProgressBar, EndsWithTheReferencesLine) {
  BOXCAR_NEED_SHARED();
  const std::string console = test::read_plainly(test::shared("golden/trainer/console.txt"));
  std::string written;
  ProgressBar bar([&](std::string_view text) { written += text; }, 2, 10.0);
  bar.describe(train_row({1, 3, 0, {0.70684, 0.54927, 0.41843}, 11, 64}));
  bar.update(1, 10.05);
  bar.update(2, 10.09);
  bar.finish(10.0 + 2 / 21.9);
  EXPECT_NE(console.find("\n" + written), console.npos) << written;
}

TEST(ConsoleLines, ShowNumbersAsWideAsTheirColumn) {
  EXPECT_EQ(train_row({10, 100, 3.14159, {1234567.0}, 12345, 640}),
            "     10/100      3.14G  1.235e+06  1.234e+04        640");
  EXPECT_EQ(val_row({"a\x1b[31m", 1, 2, 0.98765, 1, 0.5, 0.25}),
            "                a?[31m          1          2      0.988          1        0.5       0.25");
}

TEST(DurationText, GrowsByUnits) {
  EXPECT_EQ(duration_text(0.04), "0.0s");
  EXPECT_EQ(duration_text(59.94), "59.9s");
  EXPECT_EQ(duration_text(59.97), "1:00");
  EXPECT_EQ(duration_text(65), "1:05");
  EXPECT_EQ(duration_text(3599.6), "1:00:00");
  EXPECT_EQ(duration_text(7384), "2:03:04");
  EXPECT_EQ(duration_text(-1), "?");
  EXPECT_EQ(duration_text(std::nan("")), "?");
}

TEST(RateText, ChoosesItsUnit) {
  EXPECT_EQ(rate_text(21.94), "21.9it/s");
  EXPECT_EQ(rate_text(3000), "3.0Kit/s");
  EXPECT_EQ(rate_text(2.1e6), "2.1Mit/s");
  EXPECT_EQ(rate_text(0.25), "4.0s/it");
  EXPECT_EQ(rate_text(0), "");
  EXPECT_EQ(rate_text(std::numeric_limits<double>::infinity()), "");
}

TEST(ProgressBar, RedrawsInPlaceTenTimesASecondOnATerminal) {
  std::vector<std::string> writes;
  ProgressBar bar([&](std::string_view text) { writes.emplace_back(text); }, 4, 0.0, {.terminal = true});
  bar.describe("x");
  bar.update(1, 1.0);
  bar.update(2, 1.05);
  bar.update(2, 2.0);
  bar.finish(4.0);
  ASSERT_EQ(writes.size(), 3u);
  EXPECT_EQ(writes[0], "\rx: 25% ━━━───────── 1/4 1.0it/s 1.0s<3.0s\x1b[K");
  EXPECT_EQ(writes[1], "\rx: 50% ━━━━━━────── 2/4 1.0it/s 2.0s<2.0s\x1b[K");
  EXPECT_EQ(writes[2], "\rx: 50% ━━━━━━────── 2/4 2.0s/it 4.0s\x1b[K\n");
  bar.finish(5.0);
  bar.update(3, 9.0);
  EXPECT_EQ(writes.size(), 3u);
}

TEST(ProgressBar, SmoothsTheRate) {
  ProgressBar bar(nullptr, 100, 0.0, {.terminal = true});
  bar.update(10, 1.0);
  bar.update(30, 2.0);  // 0.3 * 20 + 0.7 * 10 = 13 a second
  EXPECT_EQ(bar.text(2.0), "30% ━━━───────── 30/100 13.0it/s 2.0s<5.4s");
}

TEST(ProgressBar, WritesWholeLinesElsewhere) {
  std::string written;
  ProgressBar bar([&](std::string_view text) { written += text; }, 1000, 0.0);
  bar.update(1, 1.0);
  EXPECT_EQ(written, "");
  bar.update(100, 60.0);
  bar.update(101, 61.0);
  EXPECT_EQ(written, "10% ━─────────── 100/1000 1.7it/s 1:00<9:00\n");
}

TEST(ProgressBar, TellsTheTimeSpentWaitingForData) {
  ProgressBar bar(nullptr, 2, 0.0);
  bar.update(2, 2.0, 32, 0.5);
  bar.finish(2.0);
  EXPECT_EQ(bar.text(2.0), "100% ━━━━━━━━━━━━ 2/2 1.0it/s 2.0s  16 images/s, waiting for data 25%");
}

TEST(ProgressBar, CutsALineWiderThanTheTerminal) {
  std::string written;
  ProgressBar bar([&](std::string_view text) { written = text; }, 2, 0.0, {.terminal = true, .columns = 8});
  bar.update(1, 1.0);
  EXPECT_EQ(written, "\r50% ━━━\x1b[K");
}

TEST(ProgressBar, TakesOddValues) {
  ProgressBar bar(nullptr, 0, 0.0);
  bar.update(0, 0.0);
  EXPECT_EQ(bar.text(0.0), "0% ──────────── 0/0 0.0s");
  bar.finish(0.0);
  EXPECT_EQ(bar.text(0.0), "100% ━━━━━━━━━━━━ 0/0 0.0s");
  ProgressBar over(nullptr, 2, 0.0);
  over.update(5, 1.0);
  over.finish(1.0);
  EXPECT_EQ(over.text(1.0), "100% ━━━━━━━━━━━━ 5/2 5.0it/s 1.0s");
}

}  // namespace
}  // namespace boxcar
