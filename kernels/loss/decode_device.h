// The raw maps of a detection head as kernels take them; for .cu files only.
#pragma once

#include "boxcar/kernels/assign/device_assigner.h"
#include "boxcar/kernels/loss/detection_levels.h"

namespace boxcar::kernels::cuda {

inline AnchorPlaces places_of(const DetectionMaps& maps) { return {maps.grid(), maps.images()}; }
LevelPointers<const float> box_maps_of(const DetectionMaps& maps);
LevelPointers<const float> logit_maps_of(const DetectionMaps& maps);

/// [places][4] f32 for decode_boxes.
Tensor box_memory(Stream& stream, const AnchorPlaces& places);
/// Corners in cells of every place. One kernel.
void decode_boxes(Stream& stream, const DetectionMaps& maps, float* boxes);

}  // namespace boxcar::kernels::cuda
