// Text of the console during a run, in the columns that users of the reference know. No colours, no line ends except
// where said.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace boxcar {

/// Header of a training epoch: Epoch, GPU_mem, the names of the losses, Instances, Size; 11 places each.
std::string train_header(const std::vector<std::string>& loss_names);

/// What the row of a training epoch shows.
struct TrainRow {
  int epoch = 1, epochs = 1;   // epoch counts from 1
  double gpu_gigabytes = 0;    // memory in use on the device; 0 on a CPU
  std::vector<double> losses;  // running means, as many as the header has names
  int instances = 0;           // objects in the batch
  int size = 0;                // width of the batch, pixels
};
std::string train_row(const TrainRow& row);

/// Header of a validation: Class, Images, Instances, Box(P, R, mAP50, mAP50-95).
std::string val_header();

/// Row of a validation: "all" or a class. Control characters in the name are shown as '?'.
struct ValRow {
  std::string name;
  int images = 0, instances = 0;
  double precision = 0, recall = 0, map50 = 0, map = 0;
};
std::string val_row(const ValRow& row);

/// "Speed: 0.0ms preprocess, 3.6ms inference, 0.0ms loss, 0.2ms postprocess per image".
std::string val_speed_line(double preprocess_ms, double inference_ms, double loss_ms, double postprocess_ms);

/// "3 epochs completed in 0.123 hours."
std::string epochs_completed_line(int epochs, double seconds);

/// 5.3s, 1:05, 2:03:04. Negative and unknown (NaN, infinite) times are "?".
std::string duration_text(double seconds);

/// 21.9it/s, 3.0Kit/s, 2.1Mit/s; below one a second 4.2s/it. Empty for zero, negative and unknown rates.
std::string rate_text(double per_second);

}  // namespace boxcar
