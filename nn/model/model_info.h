// Sizes of a network: the figures of `boxcar info`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "boxcar/nn/model/detection_model.h"

namespace boxcar {

struct LayerInfo {
  int index;
  std::vector<int> from;
  int repeats;
  std::string module;
  std::int64_t parameters;
  int out_channels;  // 0 for the head
};

struct ModelInfo {
  std::vector<LayerInfo> layers;
  std::int64_t parameters = 0;  // frozen ones (the distance bins) included
  std::int64_t gradients = 0;   // parameters that are trained
  double gflops = 0;            // 2e-9 * (multiply-adds of convolutions and attention + 4 * elements into batch norms)
};

/// Runs the network once on a small image; the figures for imgsz x imgsz (a multiple of 32) follow exactly.
ModelInfo model_info(DetectionModel& model, Stream& stream, int imgsz = 640);

/// The table that `boxcar info` prints.
std::string model_table(const ModelSpec& spec, const ModelInfo& info, int imgsz);

}  // namespace boxcar
