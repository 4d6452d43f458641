#include <algorithm>

#include "boxcar/kernels/optim/muon.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar::kernels {
namespace {

template <class T>
MuonPlan::Table<T> table_of(Stream& stream, const std::vector<T>& rows) {
  const Shape shape{1, 1, static_cast<int>(rows.size()), static_cast<int>(sizeof(T))};
  MuonPlan::Table<T> table{Tensor::empty(stream, shape, DType::kU8), static_cast<std::int64_t>(rows.size())};
  stream.copy(table.memory.view().data, rows.data(), rows.size() * sizeof(T));
  stream.synchronize();
  return table;
}

Tensor floats(Stream& stream, std::int64_t count) {
  constexpr std::int64_t kRow = 1 << 10;  // so that no side overflows an int
  return Tensor::empty(stream, {1, 1, static_cast<int>((count + kRow - 1) / kRow), kRow});
}

std::int32_t tiles_of(std::int64_t size) { return static_cast<std::int32_t>((size + kMuonTile - 1) / kMuonTile); }

void add_tiles(std::int32_t task, std::int64_t rows, std::int64_t columns, std::vector<MuonPlace>& tiles) {
  for (std::int32_t r = 0; r < tiles_of(rows); ++r) {
    for (std::int32_t c = 0; c < tiles_of(columns); ++c) tiles.push_back({task, r, c});
  }
}

void check_range(const MuonRange& r) {
  if (r.matrix.rows < 1 || r.matrix.columns < 1 || r.matrix.rows > INT32_MAX / r.matrix.columns) {
    fail<ShapeError>("newton_schulz: a matrix of {} x {} cannot be orthogonalised", r.matrix.rows, r.matrix.columns);
  }
  if (r.group < 0 || r.group >= StepCoefficients::kMaxGroups) {
    fail<ArgumentError>("a matrix is of parameter group {}, but there are at most {}", r.group,
                        StepCoefficients::kMaxGroups);
  }
}

}  // namespace

MuonPlan::MuonPlan(Stream& stream, std::vector<MuonRange> ranges) : ranges_(std::move(ranges)) {
  for (const MuonRange& r : ranges_) check_range(r);
  if (stream.device().is_cuda() && !ranges_.empty()) build_tables(stream);
}

void MuonPlan::build_tables(Stream& stream) {
  std::vector<MuonTask> tasks;
  std::vector<MuonPlace> chunks, square_tiles, tall_tiles;
  std::int64_t x = 0, q = 0;
  for (const MuonRange& r : ranges_) {
    const auto task = static_cast<std::int32_t>(tasks.size());
    const std::int64_t rows = r.matrix.rows, columns = r.matrix.columns, count = rows * columns;
    const std::int64_t longer = std::max(rows, columns), shorter = std::min(rows, columns);
    const auto pieces = static_cast<std::int32_t>((count + kMuonChunk - 1) / kMuonChunk);
    tasks.push_back({r.offset, static_cast<std::int32_t>(rows), static_cast<std::int32_t>(columns), r.matrix.scale,
                     r.group, x, q, static_cast<std::int32_t>(chunks.size()), pieces});
    for (std::int32_t k = 0; k < pieces; ++k) chunks.push_back({task, k, 0});
    add_tiles(task, shorter, shorter, square_tiles);
    add_tiles(task, longer, shorter, tall_tiles);
    x += count;
    q += shorter * shorter;
  }
  tasks_ = table_of(stream, tasks);
  chunks_ = table_of(stream, chunks);
  square_tiles_ = table_of(stream, square_tiles);
  tall_tiles_ = table_of(stream, tall_tiles);
  for (int copy = 0; copy < 2; ++copy) {
    x_[copy] = floats(stream, x);
    q_[copy] = floats(stream, q);
  }
  sums_ = floats(stream, 2 * static_cast<std::int64_t>(chunks.size()));
}

}  // namespace boxcar::kernels
