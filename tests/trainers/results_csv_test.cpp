#include "boxcar/trainers/engine/results_csv.h"

#include <gtest/gtest.h>

#include <cmath>

#include "boxcar/runtime/base/error.h"
#include "support/files.h"
#include "support/folder.h"
#include "support/golden.h"

namespace boxcar {
namespace {

EpochRow row_of(const ResultsTable& table, std::size_t i) {
  EpochRow row{static_cast<int>(table.columns[0][i]), table.columns[1][i], {}, {}, {}};
  for (std::size_t k = 2; k < table.names.size(); ++k) {
    const std::string& name = table.names[k];
    auto& part = name.starts_with("train/") ? row.train_losses
                 : name.starts_with("lr/")  ? row.learning_rates
                                            : row.metrics;
    part.emplace_back(name, table.columns[k][i]);
  }
  return row;
}

EpochRow simple_row(int epoch) {
  return {epoch, epoch * 0.5, {{"train/a", 1.0}}, {{"metrics/m", 0.123456789}}, {{"lr/pg0", 1e-7}}};
}

TEST(ResultsCsv, WritesTheReferencesFiles) {
  BOXCAR_NEED_SHARED();
  const test::Folder folder;
  for (const char* name : {"results.csv", "results_resumed.csv", "results_val_false.csv", "results_yolo26_musgd.csv"}) {
    const auto golden = test::shared(std::string("golden/trainer/") + name);
    const ResultsTable table = read_results_csv(golden);
    ASSERT_GT(table.rows(), 1u);
    ResultsCsv csv(folder / name);
    for (std::size_t i = 0; i < table.rows(); ++i) csv.append(row_of(table, i));
    EXPECT_EQ(test::read_plainly(csv.file()), test::read_plainly(golden)) << name;
  }
}

TEST(ResultsCsv, WritesSixDigitsAndRoundsLossesAndMetrics) {
  const test::Folder folder;
  ResultsCsv csv(folder / "results.csv");
  csv.append({1, 1234567.0, {{"train/a", 0.706839}}, {{"metrics/m", std::nan("")}}, {{"lr/pg0", 0.000837668123}}});
  EXPECT_EQ(test::read_plainly(csv.file()),
            "epoch,time,train/a,metrics/m,lr/pg0\n1,1.23457e+06,0.70684,nan,0.000837668\n");
  EXPECT_TRUE(std::isnan((*read_results_csv(csv.file()).find("metrics/m"))[0]));
}

TEST(ResultsCsv, IsCutBackForAResume) {
  const test::Folder folder;
  ResultsCsv csv(folder / "results.csv");
  csv.keep_until(3);
  EXPECT_EQ(folder.listing(), "");
  for (int e = 1; e <= 4; ++e) csv.append(simple_row(e));
  const std::string complete = test::read_plainly(csv.file());
  csv.keep_until(2);
  EXPECT_EQ(read_results_csv(csv.file()).rows(), 2u);
  for (int e = 3; e <= 4; ++e) csv.append(simple_row(e));
  EXPECT_EQ(test::read_plainly(csv.file()), complete);
  csv.clear();
  csv.clear();
  EXPECT_EQ(folder.listing(), "");
}

TEST(ResultsCsv, SurvivesARowCutShort) {
  const test::Folder folder;
  ResultsCsv csv(folder / "results.csv");
  csv.append(simple_row(1));
  csv.append(simple_row(2));
  const std::string complete = test::read_plainly(csv.file());
  const std::size_t first_two_lines = complete.find('\n', complete.find('\n') + 1) + 1;
  for (std::size_t length = first_two_lines; length < complete.size(); ++length) {
    test::write_plainly(csv.file(), complete.substr(0, length));
    EXPECT_EQ(read_results_csv(csv.file()).rows(), 1u);
    csv.append(simple_row(2));
    EXPECT_EQ(test::read_plainly(csv.file()), complete) << length;
  }
}

TEST(ResultsCsv, KeepsARowThatCouldNotBeWritten) {
  const test::Folder folder;
  ResultsCsv csv(folder / "later/results.csv");
  EXPECT_THROW(csv.append(simple_row(1)), IoError);
  EXPECT_THROW(csv.append(simple_row(2)), IoError);
  std::filesystem::create_directory(folder / "later");
  csv.append(simple_row(3));
  csv.append(simple_row(4));
  EXPECT_EQ(*read_results_csv(csv.file()).find("epoch"), (std::vector<double>{1, 2, 3, 4}));
}

TEST(ResultsCsv, LeavesNoTemporaryFiles) {
  const test::Folder folder;
  ResultsCsv(folder / "results.csv").append(simple_row(1));
  EXPECT_EQ(folder.listing(), "results.csv");
}

TEST(ResultsCsv, RefusesBadColumnsAndFiles) {
  const test::Folder folder;
  ResultsCsv csv(folder / "results.csv");
  csv.append(simple_row(1));
  EXPECT_THROW(csv.append({2, 1, {{"train/b", 1}}, {}, {}}), ArgumentError);
  EXPECT_THROW(ResultsCsv(folder / "b.csv").append({1, 1, {{"a,b", 1}}, {}, {}}), ArgumentError);
  EXPECT_THROW(ResultsCsv(folder / "no/b.csv").append(simple_row(1)), IoError);
  EXPECT_THROW(read_results_csv(folder / "none.csv"), IoError);
  EXPECT_THROW(read_results_csv(test::write_plainly(folder / "c.csv", "epoch,time\n1,2,3\n")), IoError);
  const auto bad = test::write_plainly(folder / "d.csv", "epoch,time\n1,2\nx,2\n");
  EXPECT_TRUE(
      test::is_line_with(test::message_of<IoError>([&] { read_results_csv(bad); }), "line 3: 'x' is not a number"));
  EXPECT_THROW(ResultsCsv(bad).keep_until(1), IoError);
  EXPECT_EQ(read_results_csv(test::write_plainly(folder / "e.csv", "epoch,time\r\n1,2\r\n")).rows(), 1u);
}

TEST(Round5, RoundsTheExactValue) {
  EXPECT_EQ(round5(0.706835), 0.70683);  // the double is a little below the tie
  EXPECT_EQ(round5(2.5e-6), 0.0);
  EXPECT_EQ(round5(-1.234567), -1.23457);
  EXPECT_EQ(round5(1e300), 1e300);
  EXPECT_TRUE(std::isnan(round5(std::nan(""))));
}

}  // namespace
}  // namespace boxcar
