// results.csv: one row an epoch.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace boxcar {

using NamedValues = std::vector<std::pair<std::string, double>>;

/// What an epoch leaves in results.csv, in this order of columns.
struct EpochRow {
  int epoch = 1;               // from 1
  double seconds = 0;          // since the loop started
  NamedValues train_losses;    // "train/box_loss" ..: means over the epoch, rounded to 5 decimals when written
  NamedValues metrics;         // "metrics/precision(B)" .. and "val/box_loss" ..: rounded likewise
  NamedValues learning_rates;  // "lr/pg0" ..: in force at the end of the epoch, not rounded
};

/// Columns of a results.csv, all of the same length. The first is "epoch".
struct ResultsTable {
  std::vector<std::string> names;
  std::vector<std::vector<double>> columns;

  std::size_t rows() const { return columns.empty() ? 0 : columns.front().size(); }
  /// The column `name`, or null.
  const std::vector<double>* find(std::string_view name) const;
};

/// The file of one run. Every change replaces the whole file at once, so that an interruption leaves the rows before it
/// or those after it, never a part of a row.
class ResultsCsv {
 public:
  /// Nothing is read or written yet.
  explicit ResultsCsv(std::filesystem::path file) : file_(std::move(file)) {}

  /// Removes an old file: a new run begins.
  void clear();
  /// Removes the rows after `epoch` (counted from 1), which a resumed run will write again, and a half-written last
  /// row of another program. A missing file stays missing.
  void keep_until(int epoch);
  /// Adds a row, and the header where the file is new. Numbers have 6 significant digits. Throws ArgumentError where
  /// the names are not those of the header or would not survive a CSV file (comma, quote, line break), IoError where
  /// the file cannot be read or written; a row that could not be written is kept and added with the next one.
  void append(const EpochRow& row);

  const std::filesystem::path& file() const { return file_; }

 private:
  std::filesystem::path file_;
  std::vector<std::string> unwritten_;  // rows, oldest first
};

/// Reads a results.csv; a last line without its line end is left out. Throws IoError naming the line for a row of
/// another length or with a field that is no number.
ResultsTable read_results_csv(const std::filesystem::path& file);

/// `v` rounded to 5 decimals; the exact value decides, as in Python's round().
double round5(double v);

}  // namespace boxcar
