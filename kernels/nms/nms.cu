// Without a sort: the best candidate left is kept and suppresses others, again and again. Few boxes are kept, so that
// this reads the candidates a few hundred times at most, and needs memory for the candidates alone.
#include "boxcar/kernels/nms/nms.h"

#include <algorithm>
#include <limits>

#include "boxcar/kernels/common/launch.h"
#include "boxcar/kernels/nms/nms_math.h"

namespace boxcar::kernels::cuda {
namespace {

constexpr unsigned kEveryLane = 0xffffffffu;

// A candidate as one number: the larger, the earlier. The score's bits, then the complement of its place
// (anchor * classes + class), which makes candidates unique. 0: none, because scores are above conf >= 0.
using Key = unsigned long long;

BOXCAR_DEVICE Key key_of(float score, unsigned place) {
  return Key{__float_as_uint(score)} << 32 | (~place & kEveryLane);
}
BOXCAR_DEVICE unsigned place_of(Key key) { return ~static_cast<unsigned>(key & kEveryLane); }
BOXCAR_DEVICE float score_of(Key key) { return __uint_as_float(static_cast<unsigned>(key >> 32)); }

// What all images share.
struct Search {
  const float* rows;
  std::int64_t ld;
  int images, anchors, nc;
  float conf, iou;
  bool multi_label, agnostic;
  const std::uint8_t* wanted;  // [nc], or null: all classes
  int capacity;                // candidates an image that enter
  int max_det;

  BOXCAR_DEVICE const float* row(int image, int anchor) const {
    return rows + (std::int64_t{image} * anchors + anchor) * ld;
  }
  BOXCAR_DEVICE bool takes(float score, int cls) const { return score > conf && (!wanted || wanted[cls]); }
};

// What is known of each image: counts [N] of candidates and of those that entered, the smallest key that enters, and
// the candidates [N, capacity] with their corners shifted by class.
struct Lists {
  unsigned *found, *entered;
  Key *smallest, *keys;
  Corners* corners;
  float* areas;
};

// The best class of an anchor, the lowest of equal ones; none if the first score is NaN, like std::max_element.
BOXCAR_DEVICE Key best_class(const Search& search, const float* scores, int anchor, int lane) {
  float best = -HUGE_VALF;
  int cls = search.nc;
  for (int c = lane; c < search.nc; c += 32) {
    if (!(scores[c] > best)) continue;
    best = scores[c];
    cls = c;
  }
  for (int step = 16; step > 0; step /= 2) {
    const float other = __shfl_xor_sync(kEveryLane, best, step);
    const int other_cls = __shfl_xor_sync(kEveryLane, cls, step);
    if (!(other > best || (other == best && other_cls < cls))) continue;
    best = other;
    cls = other_cls;
  }
  const bool taken = scores[0] == scores[0] && cls < search.nc && search.takes(best, cls);
  return taken ? key_of(best, static_cast<unsigned>(anchor) * search.nc + cls) : 0;
}

// Calls f(key) for each candidate of the anchors first, first + step, ... of an image. To be called by whole warps.
template <class F>
BOXCAR_DEVICE void for_candidates(const Search& search, int image, int first, int step, F&& f) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  for (int anchor = first; anchor < search.anchors; anchor += step) {
    const float* scores = search.row(image, anchor) + kBoxNumbers;
    if (search.multi_label) {
      for (int c = lane; c < search.nc; c += 32) {
        if (search.takes(scores[c], c)) f(key_of(scores[c], static_cast<unsigned>(anchor) * search.nc + c));
      }
    } else {
      const Key key = best_class(search, scores, anchor, lane);
      if (key != 0 && lane == 0) f(key);
    }
  }
}

constexpr int kScanThreads = 256, kAnchorsPerWarp = 8, kWarps = kScanThreads / 32;

Grid scan_grid(const Search& search) {
  Grid grid = grid_for(search.anchors, kWarps * kAnchorsPerWarp);
  grid.blocks.y = static_cast<unsigned>(search.images);
  grid.threads = dim3(kScanThreads);
  return grid;
}

// Of scan_grid: a warp owns anchors of image blockIdx.y.
template <class F>
BOXCAR_DEVICE void scan(const Search& search, F&& f) {
  const int warp = static_cast<int>(blockIdx.x * kWarps + threadIdx.x / 32),
            step = static_cast<int>(gridDim.x) * kWarps;
  for_candidates(search, static_cast<int>(blockIdx.y), warp, step, f);
}

// A warp counts the candidates of its anchors.
__global__ void __launch_bounds__(kScanThreads) nms_count_kernel(Search search, Lists lists) {
  unsigned count = 0;
  scan(search, [&](Key) { ++count; });
  for (int step = 16; step > 0; step /= 2) count += __shfl_xor_sync(kEveryLane, count, step);
  if (threadIdx.x % 32 == 0 && count > 0) atomicAdd(lists.found + blockIdx.y, count);
}

constexpr int kSelectThreads = 512, kDigits = 256;

// A block owns an image and finds the smallest key that enters, digit by digit: that of the capacity-th largest.
__global__ void __launch_bounds__(kSelectThreads) nms_select_kernel(Search search, Lists lists) {
  BOXCAR_SHARED(unsigned, counts, [kDigits]);
  BOXCAR_SHARED(Key, prefix, [1]);
  BOXCAR_SHARED(unsigned, wanted, [1]);
  const int image = static_cast<int>(blockIdx.x);
  if (threadIdx.x == 0) {
    prefix[0] = 0;
    wanted[0] = static_cast<unsigned>(search.capacity);
  }
  const bool all_enter = lists.found[image] <= static_cast<unsigned>(search.capacity);
  for (int shift = 56; shift >= 0 && !all_enter; shift -= 8) {
    for (unsigned i = threadIdx.x; i < kDigits; i += kSelectThreads) counts[i] = 0;
    __syncthreads();
    const Key above = prefix[0] >> shift >> 8;  // a shift by 64 is not defined
    for_candidates(search, image, static_cast<int>(threadIdx.x) / 32, kSelectThreads / 32, [&](Key key) {
      if (key >> shift >> 8 == above) atomicAdd(counts + ((key >> shift) % kDigits), 1u);
    });
    __syncthreads();
    if (threadIdx.x == 0) {
      unsigned digit = kDigits - 1, rest = wanted[0];
      for (; counts[digit] < rest; --digit) rest -= counts[digit];
      prefix[0] |= Key{digit} << shift;
      wanted[0] = rest;
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) lists.smallest[image] = prefix[0];
}

// A warp enters the candidates of its anchors, in any order: their keys tell it.
__global__ void __launch_bounds__(kScanThreads) nms_enter_kernel(Search search, Lists lists) {
  const int image = static_cast<int>(blockIdx.y);
  const Key smallest = lists.smallest[image];
  scan(search, [&](Key key) {
    if (key < smallest) return;
    const unsigned place = place_of(key), nc = static_cast<unsigned>(search.nc);
    const std::int64_t at = std::int64_t{image} * search.capacity + atomicAdd(lists.entered + image, 1u);
    const float offset = search.agnostic ? 0.0f : rounded_product(static_cast<float>(place % nc), kClassOffset);
    lists.keys[at] = key;
    lists.corners[at] = shifted(corners_of(search.row(image, static_cast<int>(place / nc))), offset);
    lists.areas[at] = area_of(lists.corners[at]);
  });
}

constexpr int kGreedyThreads = 512;

// The largest key of all threads of a block.
BOXCAR_DEVICE Key largest_of_block(Key key, Key* of_warps) {
  for (int step = 16; step > 0; step /= 2) key = max(key, __shfl_xor_sync(kEveryLane, key, step));
  if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32] = key;
  __syncthreads();
#pragma unroll
  for (int warp = 0; warp < kGreedyThreads / 32; ++warp) key = max(key, of_warps[warp]);
  return key;
}

// A block owns an image. Each thread looks after every kGreedyThreads-th candidate: those that the last kept box
// suppresses get key 0, the best of the others is the next one if it is the block's best.
__global__ void __launch_bounds__(kGreedyThreads)
    nms_greedy_kernel(Search search, Lists lists, Detection* detections, int* kept_counts) {
  BOXCAR_SHARED(Key, of_warps, [kGreedyThreads / 32]);
  BOXCAR_SHARED(float, kept, [5]);  // corners and area
  const int image = static_cast<int>(blockIdx.x), count = static_cast<int>(lists.entered[image]);
  const std::int64_t first = std::int64_t{image} * search.capacity;
  Key* const keys = lists.keys + first;
  int done = 0;
  for (; done < search.max_det; ++done) {
    const Corners last{kept[0], kept[1], kept[2], kept[3]};
    Key best = 0;
    int place = 0;
    for (int i = static_cast<int>(threadIdx.x); i < count; i += kGreedyThreads) {
      if (keys[i] == 0) continue;
      if (done > 0 && suppresses(last, kept[4], lists.corners[first + i], lists.areas[first + i], search.iou)) {
        keys[i] = 0;
      } else if (keys[i] > best) {
        best = keys[i];
        place = i;
      }
    }
    const Key winner = largest_of_block(best, of_warps);
    if (winner == 0) break;
    if (winner == best) {
      const Corners& shifted_box = lists.corners[first + place];
      const int anchor = static_cast<int>(place_of(best) / search.nc),
                cls = static_cast<int>(place_of(best) % search.nc);
      const Corners box = corners_of(search.row(image, anchor));
      detections[std::int64_t{image} * search.max_det + done] = {box.x1,         box.y1, box.x2, box.y2,
                                                                 score_of(best), cls,    anchor};
      kept[0] = shifted_box.x1;
      kept[1] = shifted_box.y1;
      kept[2] = shifted_box.x2;
      kept[3] = shifted_box.y2;
      kept[4] = lists.areas[first + place];
      keys[place] = 0;
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) kept_counts[image] = done;
}

// A tensor of `count` elements of T for each image.
template <class T>
Tensor each_image(Stream& stream, int images, int count) {
  static_assert(sizeof(T) % 4 == 0);
  return Tensor::empty(stream, {images, 1, count, static_cast<int>(sizeof(T) / 4)}, DType::kI32);
}

Search search_of(const TensorView& predictions, const NmsOptions& options, const std::uint8_t* wanted) {
  const int nc = predictions.c - kBoxNumbers;
  const std::int64_t places = std::int64_t{predictions.w} * nc;
  if (places > std::numeric_limits<int>::max()) {
    fail<ShapeError>("non_max_suppression: {} has more than 2^31 scores an image", predictions.shape().str());
  }
  const int most = options.multi_label ? static_cast<int>(places) : predictions.w;
  const int capacity = std::min(options.max_nms, most);
  return {predictions.as<const float>(),
          predictions.ld,
          predictions.n,
          predictions.w,
          nc,
          options.conf,
          options.iou,
          options.multi_label,
          options.agnostic,
          wanted,
          capacity,
          std::min(options.max_det, capacity)};
}

// Where classes are chosen: wanted[c] = 1 for those.
std::vector<std::uint8_t> wanted_classes(const std::vector<int>& classes, int nc) {
  std::vector<std::uint8_t> wanted(classes.empty() ? 0 : nc);
  for (const int c : classes) {
    if (c >= 0 && c < nc) wanted[c] = 1;
  }
  return wanted;
}

// The boxes of each image; waits for the stream.
Detections fetched(Stream& stream, const Search& search, const Tensor& detections, const Tensor& counts) {
  std::vector<Detection> all(static_cast<std::size_t>(search.images) * search.max_det);
  std::vector<int> kept(search.images);
  stream.copy(all.data(), detections.view().data, all.size() * sizeof(Detection));
  stream.copy(kept.data(), counts.view().data, kept.size() * sizeof(int));
  stream.synchronize();
  Detections out;
  for (int i = 0; i < search.images; ++i) {
    const auto first = all.begin() + std::int64_t{i} * search.max_det;
    out.emplace_back(first, first + kept[i]);
  }
  return out;
}

}  // namespace

Detections non_max_suppression(Stream& stream, const TensorView& predictions, const NmsOptions& options) {
  if (predictions.count() == 0) return Detections(predictions.n);
  const std::vector<std::uint8_t> classes = wanted_classes(options.classes, predictions.c - kBoxNumbers);
  Tensor wanted;
  if (!classes.empty()) {  // read until fetched() has waited
    wanted = Tensor::empty(stream, {1, 1, 1, static_cast<int>(classes.size())}, DType::kU8);
    stream.copy(wanted.view().data, classes.data(), classes.size());
  }
  const Search search = search_of(predictions, options, wanted ? wanted.as<const std::uint8_t>() : nullptr);
  const int n = search.images;
  const Tensor counts = Tensor::zeros(stream, {1, 1, 2, n}, DType::kI32), smallest = each_image<Key>(stream, n, 1);
  const Tensor keys = each_image<Key>(stream, n, search.capacity),
               areas = each_image<float>(stream, n, search.capacity);
  const Tensor corners = each_image<Corners>(stream, n, search.capacity);
  const Tensor detections = each_image<Detection>(stream, n, search.max_det), kept = each_image<int>(stream, n, 1);
  const Lists lists{counts.as<unsigned>(), counts.as<unsigned>() + n, smallest.as<Key>(),
                    keys.as<Key>(),        corners.as<Corners>(),     areas.as<float>()};
  const dim3 images(static_cast<unsigned>(n));
  launch("nms_count", nms_count_kernel, scan_grid(search), stream, search, lists);
  launch("nms_select", nms_select_kernel, Grid{images, dim3(kSelectThreads)}, stream, search, lists);
  launch("nms_enter", nms_enter_kernel, scan_grid(search), stream, search, lists);
  launch("nms_greedy", nms_greedy_kernel, Grid{images, dim3(kGreedyThreads)}, stream, search, lists,
         detections.as<Detection>(), kept.as<int>());
  return fetched(stream, search, detections, kept);
}

}  // namespace boxcar::kernels::cuda
