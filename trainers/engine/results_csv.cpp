#include "boxcar/trainers/engine/results_csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/atomic_file.h"
#include "boxcar/runtime/files/quote.h"

namespace boxcar {
namespace {

constexpr std::uint64_t kLargestFile = 64 << 20;

/// The complete lines of the file without their ends; none for a missing file.
std::vector<std::string> read_lines(const std::filesystem::path& file) {
  std::error_code error;
  if (!std::filesystem::exists(file, error)) return {};
  const std::string text = read_file(file, kLargestFile);
  std::vector<std::string> lines;
  for (std::size_t begin = 0, end; (end = text.find('\n', begin)) != text.npos; begin = end + 1) {
    std::string line = text.substr(begin, end - begin);
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) lines.push_back(std::move(line));
  }
  return lines;
}

void write_lines(const std::filesystem::path& file, const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + '\n';
  write_file_atomically(file, text);
}

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> fields(1);
  for (const char c : line) {
    if (c == ',')
      fields.emplace_back();
    else
      fields.back() += c;
  }
  return fields;
}

double number_of(const std::string& field, const std::filesystem::path& file, std::size_t line) {
  double v = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), v);
  if (field.empty() || error != std::errc{} || end != field.data() + field.size())
    fail<IoError>("{}, line {}: {} is not a number", quote_path(file), line, quote(field));
  return v;
}

void append_column(std::string& header, std::string& row, const std::string& name, double value) {
  if (name.empty() || name.find_first_of(",\"\r\n") != name.npos)
    fail<ArgumentError>("{} cannot name a column of results.csv: it must have no comma, quote or line break",
                        quote(name));
  header += (header.empty() ? "" : ",") + name;
  row += fmt::format("{}{:.6g}", row.empty() ? "" : ",", value);
}

std::pair<std::string, std::string> header_and_row(const EpochRow& epoch) {
  std::string header, row;
  append_column(header, row, "epoch", epoch.epoch);
  append_column(header, row, "time", epoch.seconds);
  for (const auto& [name, value] : epoch.train_losses) append_column(header, row, name, round5(value));
  for (const auto& [name, value] : epoch.metrics) append_column(header, row, name, round5(value));
  for (const auto& [name, value] : epoch.learning_rates) append_column(header, row, name, value);
  return {header, row};
}

}  // namespace

const std::vector<double>* ResultsTable::find(std::string_view name) const {
  const auto it = std::ranges::find(names, name);
  return it == names.end() ? nullptr : &columns[static_cast<std::size_t>(it - names.begin())];
}

void ResultsCsv::clear() {
  std::error_code error;
  std::filesystem::remove(file_, error);
  if (error) fail<IoError>("cannot remove the old {}: {}", quote_path(file_), error.message());
}

void ResultsCsv::keep_until(int epoch) {
  std::vector<std::string> lines = read_lines(file_);
  if (lines.empty()) return;
  std::vector<std::string> kept{lines.front()};
  for (std::size_t i = 1; i < lines.size(); ++i)
    if (number_of(split(lines[i]).front(), file_, i + 1) <= epoch) kept.push_back(lines[i]);
  write_lines(file_, kept);
}

void ResultsCsv::append(const EpochRow& epoch) {
  const auto [header, row] = header_and_row(epoch);
  std::vector<std::string> lines = read_lines(file_);
  if (lines.empty()) lines.push_back(header);
  if (lines.front() != header)
    fail<ArgumentError>("{} has other columns than this run; start the run in a new folder", quote_path(file_));
  unwritten_.push_back(row);
  lines.insert(lines.end(), unwritten_.begin(), unwritten_.end());
  write_lines(file_, lines);
  unwritten_.clear();
}

ResultsTable read_results_csv(const std::filesystem::path& file) {
  const auto lines = read_lines(file);
  if (lines.empty()) fail<IoError>("{} is missing or has no complete line", quote_path(file));
  ResultsTable table;
  table.names = split(lines.front());
  table.columns.resize(table.names.size());
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const auto fields = split(lines[i]);
    if (fields.size() != table.names.size())
      fail<IoError>("{}, line {}: {} fields, but {} columns", quote_path(file), i + 1, fields.size(),
                    table.names.size());
    for (std::size_t k = 0; k < fields.size(); ++k) table.columns[k].push_back(number_of(fields[k], file, i + 1));
  }
  return table;
}

double round5(double v) {
  if (!std::isfinite(v) || std::abs(v) > 1e15) return v;
  // Printing rounds the exact binary value, half to even, which scaling by 1e5 does not.
  const std::string text = fmt::format("{:.5f}", v);
  double rounded = v;
  std::from_chars(text.data(), text.data() + text.size(), rounded);
  return rounded;
}

}  // namespace boxcar
