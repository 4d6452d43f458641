#include "boxcar/kernels/loss/detection_loss.h"

#include "boxcar/kernels/common/block_sums.h"
#include "boxcar/kernels/common/device_vector.h"
#include "boxcar/kernels/loss/decode_device.h"
#include "boxcar/kernels/loss/detection_loss_math.h"

namespace boxcar::kernels::cuda {
namespace {

constexpr unsigned kThreads = 256;
constexpr int kBlockLogits = 4096;  // 16 a thread
constexpr int kSidesPerThread = 4;

/// What both gradient passes need.
struct LossScene {
  AnchorPlaces places;
  Assignment tables;
  LossGains gains;
  float grad_scale;

  BOXCAR_DEVICE LossFactors factors() const { return loss_factors(gains, grad_scale, places.images, *tables.norm); }
  // The score of a place, 0 where nobody holds it.
  BOXCAR_DEVICE float score(std::int64_t place) const { return tables.holder[place] >= 0 ? tables.score[place] : 0.0f; }
};

/// The class maps of all levels; blocks first_block[l] .. first_block[l + 1] - 1 own level l.
struct ClassMaps {
  LevelPointers<const float> logits{};
  LevelPointers<float> grads{};    // null: not wanted
  const float* weights = nullptr;  // of the classes, or null
  std::int64_t count[kMaxLevels] = {};
  unsigned first_block[kMaxLevels + 1] = {};
  int levels = 0, classes = 0;

  BOXCAR_DEVICE int level_of(unsigned block) const {
    int l = 0;
    while (l + 1 < levels && block >= first_block[l + 1]) ++l;
    return l;
  }
};

/// The class at a place whose target is not 0, if any.
struct PlaceTarget {
  int label;
  float score;
};
BOXCAR_DEVICE PlaceTarget target_at(const LossScene& scene, std::int64_t place) {
  const float score = scene.score(place);
  if (score == 0.0f) return {-1, 0.0f};
  return {scene.tables.truths[scene.tables.holder[place]].label, score};
}

// Weighted binary cross entropy of one logit; z becomes its gradient times factor.
BOXCAR_DEVICE float class_entry(float& z, const PlaceTarget& target, int label, float weight, float factor) {
  const float logit = z, e = expf(-fabsf(logit));
  const float positive = logit < 0.0f ? 0.0f : logit;  // NaN for NaN
  const float sigmoid = (logit >= 0.0f ? 1.0f : e) / (1.0f + e);
  const bool wanted = label == target.label;
  z = factor * weight * (wanted ? sigmoid - target.score : sigmoid);
  return weight * (positive + log1pf(e) - (wanted ? logit * target.score : 0.0f));
}

// A walk along a level's logits, from class to class and pixel to pixel.
struct LogitCursor {
  std::int64_t place;
  int label;
  PlaceTarget target;

  BOXCAR_DEVICE LogitCursor(const LossScene& scene, std::int64_t first_place, unsigned offset, unsigned classes)
      : place(first_place + offset / classes),
        label(static_cast<int>(offset % classes)),
        target(target_at(scene, place)) {}
  BOXCAR_DEVICE void advance(const LossScene& scene, int classes, bool more) {
    if (++label < classes) return;
    label = 0;
    ++place;
    if (more) target = target_at(scene, place);
  }
};

// A block owns kBlockLogits neighbouring logits of a level, a thread kWidth at a time. Terms are summed in float within
// a thread, in double beyond.
template <int kWidth>
__global__ void __launch_bounds__(kThreads) class_loss_kernel(LossScene scene, ClassMaps maps, double* sums) {
  const int level = maps.level_of(blockIdx.x);
  const std::int64_t first = std::int64_t{blockIdx.x - maps.first_block[level]} * kBlockLogits,
                     count = maps.count[level];
  const std::int64_t first_place = scene.places.first_of(level) + first / maps.classes;
  const unsigned first_label = static_cast<unsigned>(first % maps.classes);
  const float* logits = maps.logits.level[level];
  float* grads = maps.grads.level[level];
  const float factor = scene.factors().cls;
  float sum = 0.0f;
  for (unsigned step = 0; step < kBlockLogits / (kThreads * kWidth); ++step) {
    const unsigned offset = (step * kThreads + threadIdx.x) * kWidth;
    const std::int64_t at = first + offset;
    if (at >= count) break;
    const bool whole = at + kWidth <= count;
    LogitCursor cursor(scene, first_place, first_label + offset, static_cast<unsigned>(maps.classes));
    float z[kWidth];
    if (whole) load_vector(logits + at, z);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) {
      if (at + k >= count) break;
      if (!whole) z[k] = logits[at + k];
      sum += class_entry(z[k], cursor.target, cursor.label, maps.weights ? maps.weights[cursor.label] : 1.0f, factor);
      if (!whole && grads) grads[at + k] = z[k];
      cursor.advance(scene, maps.classes, k + 1 < kWidth && at + k + 1 < count);
    }
    if (whole && grads) store_vector(grads + at, z);
  }
  const double all = block_sum<kThreads>(static_cast<double>(sum));
  if (threadIdx.x == 0) sums[blockIdx.x] = all;
}

/// The box maps of all levels.
struct BoxMaps {
  LevelPointers<const float> raw{};
  LevelPointers<float> grads{};  // null: not wanted
  const float* boxes = nullptr;  // decoded, in cells, [places][4]
  int bins = 0;
  bool vectors = false;  // whether a side's bins may be written by fours
};

BOXCAR_DEVICE void clear_bins(const BoxMaps& maps, float* grad) {
  if (maps.vectors) {
    const float zeros[4] = {};
    for (int j = 0; j < maps.bins; j += 4) store_vector(grad + j, zeros);
  } else {
    for (int j = 0; j < maps.bins; ++j) grad[j] = 0.0f;
  }
}

// What one side adds to the sums: its distance term, and the left one the box term too. Writes its gradient.
BOXCAR_DEVICE void add_side(const LossScene& scene, const BoxMaps& maps, std::int64_t place, int side, float score,
                            const float* raw, float* grad, TermSums& sums) {
  const AnchorPoint p = scene.places.anchor(place).point;
  const BoxF truth = scene.tables.truths[scene.tables.holder[place]].box;
  const LossFactors factors = scene.factors();
  const float* b = maps.boxes + 4 * place;
  const BoxTerm box = box_term({b[0], b[1], b[2], b[3]}, in_cells(truth, p.stride), factors.box * score);
  if (side == 0) sums.box += (1.0 - box.ciou) * score;
  const BoxF sides = target_sides(p, truth);
  const float target = side < 2 ? (side == 0 ? sides.x1 : sides.y1) : (side == 2 ? sides.x2 : sides.y2);
  const float side_grad = side < 2 ? box.side_grads[side == 0 ? 0 : 1] : box.side_grads[side == 2 ? 2 : 3];
  const float weight = factors.dist * score / 4;
  float term;
  if (maps.bins > 1) {
    term = dfl_with_grad(raw, maps.bins, target, side_grad, weight, grad);
  } else {
    const AnchorGrid& grid = scene.places.grid;
    const float input = side % 2 == 0 ? grid.image_width() : grid.image_height();
    term = l1_with_grad(*raw, target, p.stride / input, side_grad, weight, grad);
  }
  sums.dist += double{score} * term / 4;
}

// A thread owns a few sides of places, with their gradient: 0 but for the few that are held. Terms are summed in
// double.
__global__ void __launch_bounds__(kThreads)
    box_loss_kernel(LossScene scene, BoxMaps maps, double* box_sums, double* dist_sums) {
  TermSums sums{};
  for (int k = 0; k < kSidesPerThread; ++k) {
    const std::int64_t i = (std::int64_t{blockIdx.x} * kSidesPerThread + k) * kThreads + threadIdx.x, place = i / 4;
    if (place >= scene.places.count()) break;
    const int side = static_cast<int>(i % 4), level = scene.places.level_of(place);
    const std::int64_t at = (i - 4 * scene.places.first_of(level)) * maps.bins;
    float* grad = maps.grads.level[level] ? maps.grads.level[level] + at : nullptr;
    const float score = scene.score(place);
    if (score != 0.0f) {
      add_side(scene, maps, place, side, score, maps.raw.level[level] + at, grad, sums);
    } else if (grad) {
      clear_bins(maps, grad);
    }
  }
  const double box = block_sum<kThreads>(sums.box), dist = block_sum<kThreads>(sums.dist);
  if (threadIdx.x != 0) return;
  box_sums[blockIdx.x] = box;
  dist_sums[blockIdx.x] = dist;
}

/// Sums of blocks, and how many.
struct PartialSums {
  double *cls, *box, *dist;
  std::int64_t class_blocks, box_blocks;
};

// One block adds up everything.
__global__ void __launch_bounds__(kThreads)
    finish_loss_kernel(LossScene scene, PartialSums partial, float* items, float* loss, float* total) {
  TermSums sums;
  sums.box = block_sum_of<kThreads>(partial.box, partial.box_blocks);
  sums.cls = block_sum_of<kThreads>(partial.cls, partial.class_blocks);
  sums.dist = block_sum_of<kThreads>(partial.dist, partial.box_blocks);
  if (threadIdx.x != 0) return;
  const LossSums all = loss_sums(scene.gains, sums, *scene.tables.norm, scene.places.images);
  for (int k = 0; k < 3; ++k) {
    if (items) items[k] = all.items[k];
    if (loss) loss[k] = all.loss[k];
  }
  if (total) *total = all.total;
}

ClassMaps class_maps(const DetectionLossArgs& args, const DetectionMaps& maps) {
  ClassMaps out{.logits = logit_maps_of(maps),
                .weights = args.class_weights.as<const float>(),
                .levels = maps.levels().size(),
                .classes = maps.classes()};
  for (int l = 0; l < out.levels; ++l) {
    out.count[l] = maps.levels()[l].cls_logits.count();
    const std::int64_t end = out.first_block[l] + (out.count[l] + kBlockLogits - 1) / kBlockLogits;
    if (end > 0x7fffffff) fail<ShapeError>("detection_loss: class maps of this size are too large for one kernel");
    out.first_block[l + 1] = static_cast<unsigned>(end);
    if (!args.grads.empty()) out.grads.level[l] = args.grads[l].cls_logits.as<float>();
  }
  return out;
}

/// Whether all maps of a kind, and their gradients, may be read and written by fours from their first element on.
bool is_aligned(const DetectionLossArgs& args, TensorView DetectionLevel::*map, TensorView DetectionLevelGrads::*grad) {
  std::uintptr_t bits = 0;
  for (const DetectionLevel& level : args.levels) bits |= reinterpret_cast<std::uintptr_t>((level.*map).data);
  for (const DetectionLevelGrads& level : args.grads) bits |= reinterpret_cast<std::uintptr_t>((level.*grad).data);
  return bits % 16 == 0;
}

BoxMaps box_maps(const DetectionLossArgs& args, const DetectionMaps& maps, const float* boxes) {
  BoxMaps out{.raw = box_maps_of(maps), .boxes = boxes, .bins = maps.reg_max()};
  for (int l = 0; l < args.grads.size(); ++l) out.grads.level[l] = args.grads[l].box_dist.as<float>();
  out.vectors = out.bins % 4 == 0 && is_aligned(args, &DetectionLevel::box_dist, &DetectionLevelGrads::box_dist);
  return out;
}

Grid side_grid(const AnchorPlaces& places) {
  return grid_for((places.count() * 4 + kSidesPerThread - 1) / kSidesPerThread, kThreads);
}

// The gradient passes and the sums, once it is known who holds which anchor.
void measure(Stream& stream, const DetectionLossArgs& args, const DetectionMaps& maps, const LossScene& scene,
             const float* boxes) {
  const ClassMaps classes = class_maps(args, maps);
  const Grid class_grid{dim3(classes.first_block[classes.levels]), dim3(kThreads)}, sides = side_grid(scene.places);
  const std::int64_t class_blocks = class_grid.blocks.x, box_blocks = sides.blocks.x;
  const Tensor sums = Tensor::empty(stream, {1, 1, static_cast<int>(class_blocks + 2 * box_blocks), 2});
  auto* cls = sums.as<double>();
  const PartialSums partial{cls, cls + class_blocks, cls + class_blocks + box_blocks, class_blocks, box_blocks};
  const bool vectors = is_aligned(args, &DetectionLevel::cls_logits, &DetectionLevelGrads::cls_logits);
  launch("class_loss", vectors ? class_loss_kernel<4> : class_loss_kernel<1>, class_grid, stream, scene, classes,
         partial.cls);
  launch("box_loss", box_loss_kernel, sides, stream, scene, box_maps(args, maps, boxes), partial.box, partial.dist);
  launch("finish_loss", finish_loss_kernel, {dim3(1), dim3(kThreads)}, stream, scene, partial, args.items.as<float>(),
         args.loss.as<float>(), args.total.as<float>());
}

/// The gradients of all levels as one list; blocks as in ClassMaps.
struct GradientList {
  float* data[2 * kMaxLevels];
  std::int64_t count[2 * kMaxLevels];
  unsigned first_block[2 * kMaxLevels + 1];
  int size;
};
constexpr int kBlockGradients = 4096;

// A block owns kBlockGradients neighbouring elements of one gradient. By 1: nothing to do.
__global__ void __launch_bounds__(kThreads) scale_gradients_kernel(GradientList list, const float* factor) {
  if (*factor == 1.0f) return;
  int g = 0;
  while (g + 1 < list.size && blockIdx.x >= list.first_block[g + 1]) ++g;
  const std::int64_t first = std::int64_t{blockIdx.x - list.first_block[g]} * kBlockGradients;
  for (int i = static_cast<int>(threadIdx.x); i < kBlockGradients; i += kThreads) {
    if (first + i < list.count[g]) list.data[g][first + i] *= *factor;
  }
}

}  // namespace

void detection_loss(Stream& stream, const DetectionLossArgs& args) {
  const DetectionMaps maps("detection_loss", args.levels, args.reg_max);
  const AnchorPlaces places = places_of(maps);
  const AssignmentMemory memory(stream, places, args.targets.w);
  const Tensor boxes = box_memory(stream, places);
  decode_boxes(stream, maps, boxes.as());
  assign_anchors(stream, places, {args.targets.as<const float>(), args.targets.w, true}, args.assign,
                 RawPredictions{boxes.as(), logit_maps_of(maps), maps.classes()}, memory.tables());
  measure(stream, args, maps, {places, memory.tables(), args.gains, args.grad_scale}, boxes.as());
}

void scale_loss_gradients(Stream& stream, const ScaleLossGradientsArgs& args) {
  GradientList list{};
  for (const DetectionLevelGrads& level : args.grads) {
    for (const TensorView& grad : {level.box_dist, level.cls_logits}) {
      const auto blocks = static_cast<unsigned>((grad.count() + kBlockGradients - 1) / kBlockGradients);
      list.data[list.size] = grad.as<float>();
      list.count[list.size] = grad.count();
      list.first_block[list.size + 1] = list.first_block[list.size] + blocks;
      ++list.size;
    }
  }
  launch("scale_loss_gradients", scale_gradients_kernel, {dim3(list.first_block[list.size]), dim3(kThreads)}, stream,
         list, args.factor.as<const float>());
}

}  // namespace boxcar::kernels::cuda
