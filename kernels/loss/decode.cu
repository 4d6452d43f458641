#include "boxcar/kernels/loss/decode.h"

#include "boxcar/kernels/activation/activation_math.h"
#include "boxcar/kernels/common/device_vector.h"
#include "boxcar/kernels/loss/decode_device.h"
#include "boxcar/kernels/loss/distance_math.h"

namespace boxcar::kernels::cuda {
namespace {

constexpr unsigned kThreads = 256;

// Distance of one side. 16 bins, the usual number, lie in registers, read by vectors.
template <int kBins>
BOXCAR_DEVICE float read_distance(const float* raw, int bins) {
  if constexpr (kBins == 16) {
    float values[kBins];
#pragma unroll
    for (int j = 0; j < kBins; j += 4) {
      float four[4];
      load_vector(raw + j, four);
#pragma unroll
      for (int k = 0; k < 4; ++k) values[j + k] = four[k];
    }
    return side_distance(values, kBins);
  } else {
    return side_distance(raw, bins);
  }
}

// A thread owns a side of a place: left, top, right or bottom.
template <int kBins>
__global__ void __launch_bounds__(kThreads)
    decode_boxes_kernel(AnchorPlaces places, LevelPointers<const float> maps, int bins, float* boxes) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x, place = i / 4;
  const int side = static_cast<int>(i % 4);
  if (place >= places.count()) return;
  const int level = places.level_of(place);
  const std::int64_t row = place - places.first_of(level);
  const AnchorPoint p = places.anchor(place).point;
  const float distance = read_distance<kBins>(maps.level[level] + (row * 4 + side) * bins, bins);
  boxes[i] = (side % 2 == 0 ? p.x : p.y) + (side < 2 ? -distance : distance);
}

// A thread owns a column of an anchor's row of the result.
__global__ void __launch_bounds__(kThreads)
    decode_predictions_kernel(AnchorPlaces places, const float* boxes, LevelPointers<const float> logits, int classes,
                              BoxFormat format, float* to) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x, anchors = places.grid.count();
  const int columns = 4 + classes, column = static_cast<int>(i % columns);
  const std::int64_t row = i / columns;
  if (row >= places.images * anchors) return;
  const int image = static_cast<int>(row / anchors);
  const AnchorPoint p = places.grid.point(row % anchors);
  const std::int64_t place = places.place(image, p.level, p.cell);
  if (column >= 4) {
    to[i] = sigmoid(logits.level[p.level][(place - places.first_of(p.level)) * classes + column - 4]);
    return;
  }
  const float *b = boxes + 4 * place, s = p.stride;
  to[i] = box_column(BoxF{b[0] * s, b[1] * s, b[2] * s, b[3] * s}, format, column);
}

template <class F>
LevelPointers<const float> pointers(const DetectionMaps& maps, F&& map_of) {
  LevelPointers<const float> out;
  for (int l = 0; l < maps.levels().size(); ++l) out.level[l] = map_of(maps.levels()[l]).template as<const float>();
  return out;
}

}  // namespace

LevelPointers<const float> box_maps_of(const DetectionMaps& maps) {
  return pointers(maps, [](const DetectionLevel& l) { return l.box_dist; });
}
LevelPointers<const float> logit_maps_of(const DetectionMaps& maps) {
  return pointers(maps, [](const DetectionLevel& l) { return l.cls_logits; });
}

Tensor box_memory(Stream& stream, const AnchorPlaces& places) {
  return Tensor::empty(stream, {1, places.images, static_cast<int>(places.grid.count()), 4});
}

void decode_boxes(Stream& stream, const DetectionMaps& maps, float* boxes) {
  const AnchorPlaces places = places_of(maps);
  const Grid grid = grid_for(places.count() * 4, kThreads);
  bool vectors = maps.reg_max() == 16;
  for (const DetectionLevel& l : maps.levels()) vectors = vectors && l.box_dist.vector_width() >= 4;
  launch("decode_boxes", vectors ? decode_boxes_kernel<16> : decode_boxes_kernel<0>, grid, stream, places,
         box_maps_of(maps), maps.reg_max(), boxes);
}

void decode_predictions(Stream& stream, const DecodePredictionsArgs& args) {
  const DetectionMaps maps("decode_predictions", args.levels, args.reg_max);
  const AnchorPlaces places = places_of(maps);
  const Tensor boxes = box_memory(stream, places);
  decode_boxes(stream, maps, boxes.as());
  launch("decode_predictions", decode_predictions_kernel, grid_for(places.count() * (4 + maps.classes()), kThreads),
         stream, places, boxes.as(), logit_maps_of(maps), maps.classes(), args.format, args.to.as<float>());
}

}  // namespace boxcar::kernels::cuda
