#include "boxcar/kernels/assign/device_assigner.h"

#include "boxcar/kernels/activation/activation_math.h"
#include "boxcar/kernels/assign/top_keys.h"
#include "boxcar/kernels/common/block_sums.h"
#include "boxcar/kernels/common/chunk_sums.h"

namespace boxcar::kernels::cuda {
namespace {

constexpr unsigned kThreads = 256;
constexpr std::int32_t kNobody = -1, kContested = -2;
constexpr std::int32_t kKept = 1 << 30;  // added to a holder by the second cut

BOXCAR_DEVICE AnchorPrediction predict(const RawPredictions& from, const AnchorPlaces& places, int image,
                                       const AnchorPoint& p, int label) {
  const std::int64_t row = image * places.grid.levels()[p.level].cells() + p.cell;
  const float* b = from.boxes + 4 * (places.first_of(p.level) + row);
  const float logit = from.logits.level[p.level][row * from.classes + label];
  return {{b[0] * p.stride, b[1] * p.stride, b[2] * p.stride, b[3] * p.stride}, sigmoid(logit)};
}

BOXCAR_DEVICE AnchorPrediction predict(const TablePredictions& from, const AnchorPlaces& places, int image,
                                       const AnchorPoint& p, int label) {
  const std::int64_t row = image * places.grid.count() + places.grid.levels()[p.level].first + p.cell;
  const float* b = from.boxes + 4 * row;
  return {{b[0], b[1], b[2], b[3]}, from.probabilities[row * from.classes + label]};
}

/// The model's predictions and the ground truths that they are measured against.
template <class Predictions>
struct Scene {
  AnchorPlaces places;
  Predictions predictions;
  Assignment tables;

  BOXCAR_DEVICE Alignment measure(int row, int image, const AnchorPoint& p) const {
    const GroundTruth truth = tables.truths[row];
    return alignment_of(truth, predict(predictions, places, image, p, truth.label));
  }
  BOXCAR_DEVICE bool contains(int row, const AnchorPoint& p) const {
    const GroundTruth truth = tables.truths[row];
    return truth.valid() && inside(widened(truth.box, places.grid.min_side()), p.x * p.stride, p.y * p.stride);
  }
  // Largest metric and overlap of a truth. Bits of numbers that are not negative rank as the numbers do; NaN does not
  // count.
  BOXCAR_DEVICE void raise_tops(int row, const Alignment& a) const {
    if (a.metric == a.metric) atomicMax(tables.tops + 2 * row, __float_as_uint(a.metric));
    if (a.overlap == a.overlap) atomicMax(tables.tops + 2 * row + 1, __float_as_uint(a.overlap));
  }
};

struct TargetRow {
  int image, label;
};
// Image -1: padding, or out of range, which is counted.
BOXCAR_DEVICE TargetRow read_row(const float* row, int images, int classes, int& bad) {
  if (row[0] < 0.0f) return {-1, 0};
  const int image = integer_below(row[0], images), label = integer_below(row[1], classes);
  if (image >= 0 && label >= 0) return {image, label};
  ++bad;
  return {-1, 0};
}

// How many threads before the calling one have `mine`, and how many of the block.
struct Position {
  int before, all;
};
BOXCAR_DEVICE Position position_in_block(bool mine) {
  BOXCAR_SHARED(int, warps, [kThreads / 32]);
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const unsigned lanes = __ballot_sync(0xffffffffu, mine);
  __syncthreads();  // until an earlier call has read them
  if (lane == 0) warps[warp] = __popc(lanes);
  __syncthreads();
  Position p{__popc(lanes & ((1u << lane) - 1u)), 0};
  for (unsigned w = 0; w < kThreads / 32; ++w) {
    if (w < warp) p.before += warps[w];
    p.all += warps[w];
  }
  return p;
}

// A block owns an image: moves its rows, in their order, behind those of earlier images.
__global__ void __launch_bounds__(kThreads)
    sort_targets_kernel(TargetTable targets, AnchorPlaces places, int classes, Assignment tables) {
  BOXCAR_SHARED(int, first, [1]);
  const int image = static_cast<int>(blockIdx.x), thread = static_cast<int>(threadIdx.x);
  int earlier = 0, bad = 0;
  for (int r = thread; r < targets.count; r += kThreads) {
    const TargetRow row = read_row(targets.rows + std::int64_t{r} * 6, places.images, classes, bad);
    earlier += row.image >= 0 && row.image < image;
  }
  earlier = block_sum<kThreads>(earlier);
  bad = block_sum<kThreads>(bad);
  if (thread == 0) first[0] = earlier;
  if (thread == 0 && image == 0) tables.bad[0] = bad;
  __syncthreads();
  int at = first[0];
  if (thread == 0) tables.first[image] = at;
  for (int base = 0; base < targets.count; base += kThreads) {
    const float* values = targets.rows + std::int64_t{base + thread} * 6;
    const TargetRow row =
        base + thread < targets.count ? read_row(values, places.images, classes, bad) : TargetRow{-1, 0};
    const Position position = position_in_block(row.image == image);
    if (row.image == image) {
      const int to = at + position.before;
      const BoxF box = targets.normalised
                           ? corners_from_fractions(values + 2, places.grid.image_width(), places.grid.image_height())
                           : BoxF{values[2], values[3], values[4], values[5]};
      tables.truths[to] = {box, row.label};
      tables.image[to] = image;
      tables.tops[2 * to] = tables.tops[2 * to + 1] = 0;
    }
    at += position.all;
  }
  if (thread == 0 && image == places.images - 1) tables.first[places.images] = at;
}

struct LevelCells {
  int x, y, width, count;
};

// The cells of each level among which are those inside the region; their number over all levels.
BOXCAR_DEVICE int find_cells(const AnchorGrid& grid, const BoxF& region, bool any, LevelCells* cells) {
  const int thread = static_cast<int>(threadIdx.x), levels = grid.levels().size();
  if (thread < levels) {
    const AnchorLevel& l = grid.levels()[thread];
    const CellRange x = cell_range(region.x1, region.x2, l.stride, l.w),
                    y = cell_range(region.y1, region.y2, l.stride, l.h);
    cells[thread] = {x.begin, y.begin, x.end - x.begin, any ? (x.end - x.begin) * (y.end - y.begin) : 0};
  }
  __syncthreads();
  int all = 0;
  for (int l = 0; l < levels; ++l) all += cells[l].count;
  return all;
}

BOXCAR_DEVICE AnchorPoint cell_point(const AnchorGrid& grid, const LevelCells* cells, int i) {
  int l = 0;
  while (i >= cells[l].count) i -= cells[l++].count;
  const int x = cells[l].x + i % cells[l].width, y = cells[l].y + i / cells[l].width;
  return grid.point(l, y * grid.levels()[l].w + x);
}

// The key of candidate i of a region, with its metric from metric_of(point), where the point lies inside.
template <class F>
BOXCAR_DEVICE TopKeys select_inside(const AnchorGrid& grid, const GroundTruth& truth, int k, F&& metric_of) {
  BOXCAR_SHARED(LevelCells, cells, [kMaxLevels]);
  const BoxF region = widened(truth.box, grid.min_side());
  const int candidates = find_cells(grid, region, truth.valid(), cells);
  return select_top(k, candidates, [&](int i) -> RankKey {
    const AnchorPoint p = cell_point(grid, cells, i);
    if (!inside(region, p.x * p.stride, p.y * p.stride)) return 0;
    return rank_key(metric_of(p), static_cast<int>(grid.levels()[p.level].first) + p.cell);
  });
}

// A block owns a ground truth: claims its best anchors, and of the fillers those that lie inside.
template <class Predictions>
__global__ void __launch_bounds__(kSelectThreads) pick_anchors_kernel(Scene<Predictions> scene, int topk) {
  const int row = static_cast<int>(blockIdx.x);
  const AnchorGrid& grid = scene.places.grid;
  if (row >= scene.tables.first[scene.places.images]) return;
  const GroundTruth truth = scene.tables.truths[row];
  if (!truth.valid()) return;
  const int image = scene.tables.image[row];
  const auto claim = [&](int anchor) {
    const AnchorPoint p = grid.point(anchor);
    std::int32_t* holder = scene.tables.holder + scene.places.place(image, p.level, p.cell);
    if (atomicCAS(holder, kNobody, row) != kNobody) atomicExch(holder, kContested);
  };
  const TopKeys top =
      select_inside(grid, truth, topk, [&](const AnchorPoint& p) { return scene.measure(row, image, p).metric; });
  if (static_cast<int>(threadIdx.x) < top.count) claim(anchor_of(top.keys[threadIdx.x]));
  for_each_filler(top, topk, grid.count(), [&](int anchor) {
    if (scene.contains(row, grid.point(anchor))) claim(anchor);
  });
}

/// A truth and how well it is aligned with an anchor.
struct Claim {
  int row;
  Alignment alignment;
};

// Who gets a contested anchor: the largest overlap among all ground truths that contain it, claimants or not; the
// first ground truth, with metric 0, where nobody overlaps at all.
template <class Predictions>
BOXCAR_DEVICE Claim winner(const Scene<Predictions>& scene, const AnchorPlaces::Anchor& anchor) {
  const int begin = scene.tables.first[anchor.image], end = scene.tables.first[anchor.image + 1];
  Claim best{begin, {}};
  for (int row = begin; row < end; ++row) {
    if (!scene.contains(row, anchor.point)) continue;
    const Alignment a = scene.measure(row, anchor.image, anchor.point);
    if (ranks_above(a.overlap, best.alignment.overlap)) best = {row, a};
  }
  return best;
}

// A thread owns a place: settles who holds it. Its metric goes to the scores for now.
template <class Predictions>
__global__ void __launch_bounds__(kThreads) settle_anchors_kernel(Scene<Predictions> scene, bool second_cut) {
  const std::int64_t place = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (place >= scene.places.count()) return;
  const std::int32_t holder = scene.tables.holder[place];
  if (holder == kNobody) return;
  const AnchorPlaces::Anchor anchor = scene.places.anchor(place);
  const Claim claim =
      holder == kContested ? winner(scene, anchor) : Claim{holder, scene.measure(holder, anchor.image, anchor.point)};
  scene.tables.holder[place] = claim.row;
  scene.tables.score[place] = claim.alignment.metric;
  if (!second_cut) scene.raise_tops(claim.row, claim.alignment);
}

// A block owns a ground truth: keeps its topk2 largest metrics. Places that no positive metric fills go to the lowest
// zero-metric anchors of all, as in the first cut, and so to a held one only if it is among those. Other blocks mark
// their own places meanwhile; of those it matters only that they are not this block's, before and after.
template <class Predictions>
__global__ void __launch_bounds__(kSelectThreads) keep_anchors_kernel(Scene<Predictions> scene, int topk2) {
  const int row = static_cast<int>(blockIdx.x);
  const AnchorGrid& grid = scene.places.grid;
  if (row >= scene.tables.first[scene.places.images]) return;
  const int image = scene.tables.image[row];
  const auto place_of = [&](const AnchorPoint& p) { return scene.places.place(image, p.level, p.cell); };
  const auto keep = [&](int anchor) {
    const AnchorPoint p = grid.point(anchor);
    const std::int64_t place = place_of(p);
    if (__ldcv(scene.tables.holder + place) != row) return;
    atomicExch(scene.tables.holder + place, row + kKept);
    const float overlap = scene.contains(row, p) ? scene.measure(row, image, p).overlap : 0.0f;
    scene.raise_tops(row, {scene.tables.score[place], overlap});
  };
  const TopKeys top = select_inside(grid, scene.tables.truths[row], topk2, [&](const AnchorPoint& p) {
    const std::int64_t place = place_of(p);
    return __ldcv(scene.tables.holder + place) == row ? scene.tables.score[place] : 0.0f;
  });
  if (static_cast<int>(threadIdx.x) < top.count) keep(anchor_of(top.keys[threadIdx.x]));
  for_each_filler(top, topk2, grid.count(), keep);
}

// A thread owns a place: its score, 0 where nobody holds it.
BOXCAR_DEVICE float settle_score(const Assignment& tables, std::int64_t place, bool second_cut) {
  std::int32_t row = tables.holder[place];
  if (second_cut) {
    row = row >= kKept ? row - kKept : kNobody;
    tables.holder[place] = row;
  }
  if (row == kNobody) return 0.0f;
  const float score = target_score(tables.score[place], __uint_as_float(tables.tops[2 * row]),
                                   __uint_as_float(tables.tops[2 * row + 1]));
  tables.score[place] = score;
  return score;
}

constexpr int kPlacesPerThread = 4;

// A thread owns a few places. Scores are summed in double; the last block to arrive adds up the blocks' sums.
__global__ void __launch_bounds__(kThreads)
    score_anchors_kernel(Assignment tables, std::int64_t places, bool second_cut, unsigned* counters) {
  double sum = 0.0;
  for (int k = 0; k < kPlacesPerThread; ++k) {
    const std::int64_t place = (std::int64_t{blockIdx.x} * kPlacesPerThread + k) * kThreads + threadIdx.x;
    if (place < places) sum += settle_score(tables, place, second_cut);
  }
  sum = block_sum<kThreads>(sum);
  if (threadIdx.x == 0) tables.sums[blockIdx.x] = sum;
  if (!is_last_to_arrive(counters, gridDim.x)) return;
  const double total = block_sum_of<kThreads>(tables.sums, gridDim.x);
  if (threadIdx.x != 0) return;
  const double norm = total < 1.0 ? 1.0 : total;  // NaN stays
  tables.norm[0] = tables.bad[0] == 0 ? norm : static_cast<double>(nanf(""));
}

Grid score_grid(std::int64_t places) { return grid_for((places + kPlacesPerThread - 1) / kPlacesPerThread, kThreads); }

template <class Predictions>
void assign(Stream& stream, const AnchorPlaces& places, const TargetTable& targets, const AssignOptions& options,
            const Predictions& predictions, const Assignment& tables) {
  const Scene<Predictions> scene{places, predictions, tables};
  const bool second_cut = options.topk2 != options.topk;
  const Grid rows{dim3(static_cast<unsigned>(targets.count)), dim3(kSelectThreads)};
  stream.fill(tables.holder, 0xff, static_cast<std::size_t>(places.count()) * sizeof(std::int32_t));
  launch("sort_targets", sort_targets_kernel, {dim3(static_cast<unsigned>(places.images)), dim3(kThreads)}, stream,
         targets, places, predictions.classes, tables);
  launch("pick_anchors", pick_anchors_kernel<Predictions>, rows, stream, scene, options.topk);
  launch("settle_anchors", settle_anchors_kernel<Predictions>, grid_for(places.count(), kThreads), stream, scene,
         second_cut);
  if (second_cut) launch("keep_anchors", keep_anchors_kernel<Predictions>, rows, stream, scene, options.topk2);
  launch("score_anchors", score_anchors_kernel, score_grid(places.count()), stream, tables, places.count(), second_cut,
         stream.resource<TileCounters>().data());
}

Tensor words(Stream& stream, std::int64_t count) {
  constexpr std::int64_t kRow = 256;  // so that no side overflows an int
  return Tensor::empty(stream, {1, 1, static_cast<int>((count + kRow - 1) / kRow), kRow}, DType::kI32);
}

}  // namespace

AssignmentMemory::AssignmentMemory(Stream& stream, const AnchorPlaces& places, int rows)
    : truths_(words(stream, rows * std::int64_t{sizeof(GroundTruth) / sizeof(std::int32_t)} + 1)),
      holder_(words(stream, places.count())),
      score_(words(stream, places.count())),
      numbers_(words(stream, 3 * std::int64_t{rows} + places.images + 2)),
      doubles_(words(stream, 2 * (std::int64_t{score_grid(places.count()).blocks.x} + 1))) {
  auto* numbers = numbers_.as<std::int32_t>();
  auto* doubles = doubles_.as<double>();
  tables_ = {.truths = truths_.as<GroundTruth>(),
             .image = numbers,
             .first = numbers + 3 * std::int64_t{rows},
             .tops = reinterpret_cast<unsigned*>(numbers + rows),
             .bad = numbers + 3 * std::int64_t{rows} + places.images + 1,
             .holder = holder_.as<std::int32_t>(),
             .score = score_.as<float>(),
             .sums = doubles + 1,
             .norm = doubles};
}

void assign_anchors(Stream& stream, const AnchorPlaces& places, const TargetTable& targets,
                    const AssignOptions& options, const RawPredictions& predictions, const Assignment& tables) {
  assign(stream, places, targets, options, predictions, tables);
}

void assign_anchors(Stream& stream, const AnchorPlaces& places, const TargetTable& targets,
                    const AssignOptions& options, const TablePredictions& predictions, const Assignment& tables) {
  assign(stream, places, targets, options, predictions, tables);
}

}  // namespace boxcar::kernels::cuda
