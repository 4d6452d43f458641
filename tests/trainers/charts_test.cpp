#include "boxcar/trainers/plots/charts.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cmath>

#include "boxcar/data/image/decode.h"
#include "boxcar/runtime/base/error.h"
#include "boxcar/trainers/plots/fonts.h"
#include "boxcar/trainers/plots/labels_picture.h"
#include "support/folder.h"

namespace boxcar {
namespace {

/// Charts are optional: where gnuplot is not installed its tests are skipped.
bool have_gnuplot() {
  const test::Folder folder;
  return bool(run_gnuplot(gnuplot_terminal(1, 1, 96) + "plot x\n", folder / "x.png"));
}
#define NEED_GNUPLOT() \
  if (!have_gnuplot()) GTEST_SKIP() << "gnuplot is not installed"

DetMetrics some_metrics(int nc) {
  DetMetricsBuilder b(nc);
  for (int i = 0; i < nc; ++i) {
    const float x = static_cast<float>(i);
    b.add("a.jpg", std::vector<Box>{{x, 0, x + 9, 10, 0.9f, i}, {x, 50, x + 9, 60, 0.5f, i}},
          std::vector<TruthBox>{{x, 0, x + 10, 10, i}, {x, 90, x + 9, 99, i}});
  }
  return b.build();
}

// Quotes, commands, macros and markup, broken bytes, a character few fonts have.
std::vector<std::string> hostile_names(const test::Folder& folder) {
  const std::string touch = "touch " + (folder / "pwned").string();
  return {"it's", "`" + touch + "`", "\"$(" + touch + ")\"", "'; system('" + touch + "'); '",
          "{/Bold x}_y^2 @a\n\xff \xF0\x93\x80\x80"};
}

TEST(Charts, CurvesOfFewAndManyClasses) {
  NEED_GNUPLOT();
  for (const int nc : {1, 5, 25}) {
    const test::Folder folder;
    const Drawn d = plot_curves(some_metrics(nc), hostile_names(folder), folder.path());
    ASSERT_TRUE(d) << d.reason;
    EXPECT_EQ(folder.files(),
              (std::vector<std::string>{"BoxF1_curve.png", "BoxPR_curve.png", "BoxP_curve.png", "BoxR_curve.png"}));
    const Image image = decode_image(folder / "BoxPR_curve.png");
    EXPECT_EQ(image.width, 2250);
    EXPECT_EQ(image.height, 1500);
  }
}

TEST(Charts, ConfusionMatrices) {
  NEED_GNUPLOT();
  for (const int nc : {1, 5, 40, 130}) {
    const test::Folder folder;
    ConfusionMatrix matrix(nc);
    for (const bool filled : {false, true}) {
      for (const bool normalized : {false, true}) {
        const Drawn d = plot_confusion_matrix(matrix, hostile_names(folder), normalized, folder / "m.png");
        ASSERT_TRUE(d) << nc << ": " << d.reason;
        EXPECT_EQ(folder.files(), std::vector<std::string>{"m.png"});
      }
      if (!filled) matrix.add(std::vector<Box>{{0, 0, 9, 9, 0.9f, 0}}, std::vector<TruthBox>{{0, 0, 9, 9, 0}});
    }
    EXPECT_EQ(decode_image(folder / "m.png").width, 3000);
  }
}

TEST(Charts, ResultsFromAnyCsv) {
  NEED_GNUPLOT();
  const std::string header = "epoch,time,train/box_loss,metrics/mAP50(B),val/box_loss,lr/pg0\n";
  const char* rows[] = {"1,0.1,0.5,0,0.5,0.01\n", "1,0.1,nan,inf,,0.01\n2,0.2,-nan,1e300,x,0\n",
                        "1,1,1\n\n2,2,2,2,2,2,2,2\n", "1,0,1,0,1,0\n2,0,2,0.5,1,0\n3,0,1.5,0.7,1,0\n"};
  for (const char* text : rows) {
    const test::Folder folder;
    const auto csv = folder.write("results.csv", header + text);
    const Drawn d = plot_results(csv, folder / "results.png");
    ASSERT_TRUE(d) << text << d.reason;
    EXPECT_EQ(decode_image(folder / "results.png").height, 1200);
  }
}

TEST(Charts, SayWhyNothingWasDrawn) {
  const test::Folder folder;
  EXPECT_NE(plot_results(folder / "none.csv", folder / "a.png").reason.find("none.csv"), std::string::npos);
  for (const char* text : {"", "\n", "epoch,time\n1,2\n", "epoch,train/box_loss\n"}) {
    EXPECT_FALSE(plot_results(folder.write("r.csv", text), folder / "a.png")) << text;
  }
  EXPECT_FALSE(plot_curves(DetMetricsBuilder(2).build(), {}, folder.path()));
  const Drawn missing = run_gnuplot("plot x", folder / "a.png", {.program = "no-such-gnuplot"});
  EXPECT_NE(missing.reason.find("install gnuplot"), std::string::npos);
  EXPECT_FALSE(run_gnuplot("plot x", folder / "a.png", {.program = "/bin/false"}));
  EXPECT_EQ(folder.files(), std::vector<std::string>{"r.csv"});
}

TEST(Charts, AProgramThatHangsIsEnded) {
  const test::Folder folder;
  const auto program = folder.write("slow", "#!/bin/sh\nexec sleep 1000\n");
  chmod(program.c_str(), 0700);
  const Drawn d = run_gnuplot("", folder / "a.png", {.program = program, .limit = std::chrono::milliseconds(50)});
  EXPECT_NE(d.reason.find("more than 50 ms"), std::string::npos) << d.reason;
}

TEST(Charts, BadScriptsAndFoldersAreReasons) {
  NEED_GNUPLOT();
  const test::Folder folder;
  EXPECT_NE(run_gnuplot("plot (", folder / "a.png").reason.find("no picture"), std::string::npos);
  EXPECT_FALSE(run_gnuplot(gnuplot_terminal(1, 1, 96) + "plot x\n", folder / "none/a.png"));
}

TEST(Charts, StringsAreQuoted) {
  EXPECT_EQ(gnuplot_string("it's"), "'it''s'");
  EXPECT_EQ(gnuplot_string("`x`\n").find('`'), std::string::npos);
  EXPECT_EQ(gnuplot_string(std::string(100, 'a'), 5), "'aaaa\xE2\x80\xA6'");
}

TEST(Fonts, CharactersWithoutAFontBecomeSquares) {
  EXPECT_EQ(drawable_text("caf\xC3\xA9"), "caf\xC3\xA9");
  EXPECT_EQ(drawable_text("\xF4\x8F\xBF\xBD"), "\xE2\x96\xA1");  // private use: nobody's
  EXPECT_EQ(font_family_for("abc"), "DejaVu Sans");
}

TEST(LabelsPicture, OfAnyNumberOfClasses) {
  std::vector<BoxLabel> labels;
  for (int i = 0; i < 600; ++i) labels.push_back({i % 7, 0.001f * i, 0.5f, 0.2f, 0.001f * i});
  labels.push_back({99, 0.5f, 0.5f, 0.5f, 0.5f});
  labels.push_back({0, NAN, INFINITY, NAN, -1});
  const std::vector<std::string> names{"a", "a name that is much too long for its bar"};
  for (const int nc : {1, 7, 29, 200}) {
    const Image image = labels_picture(labels, names, nc);
    EXPECT_EQ(image.width, 1600);
    EXPECT_EQ(image.height, 1600);
  }
  EXPECT_NO_THROW(labels_picture({}, {}, 3));
  EXPECT_THROW(labels_picture({}, {}, 0), ArgumentError);
}

}  // namespace
}  // namespace boxcar
