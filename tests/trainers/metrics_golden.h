// The golden detection sets of golden/metrics/ap.*, image by image.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "boxcar/trainers/results/box.h"
#include "support/golden.h"

namespace boxcar::test {

struct GoldenImage {
  std::vector<Box> predictions;
  std::vector<TruthBox> truths;
};

inline const std::vector<std::string> kApCases{"mixed",   "sharp",         "single",   "crowded",
                                               "perfect", "no_detections", "no_labels"};

/// gt rows [image, class, corners], det rows [image, corners, score, class].
inline std::vector<GoldenImage> golden_images(const std::map<std::string, GoldenTensor>& tensors,
                                              const std::string& name, int images) {
  std::vector<GoldenImage> out(images);
  const auto gt = tensors.at(name + ".gt").floats(), det = tensors.at(name + ".det").floats();
  for (std::size_t i = 0; i + 6 <= gt.size(); i += 6) {
    const float* r = &gt[i];
    out.at(static_cast<int>(r[0])).truths.push_back({r[2], r[3], r[4], r[5], static_cast<int>(r[1])});
  }
  for (std::size_t i = 0; i + 7 <= det.size(); i += 7) {
    const float* r = &det[i];
    out.at(static_cast<int>(r[0])).predictions.push_back({r[1], r[2], r[3], r[4], r[5], static_cast<int>(r[6])});
  }
  return out;
}

}  // namespace boxcar::test
