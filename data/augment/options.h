// The hyper-parameters of training augmentation.
#pragma once

#include <array>

namespace boxcar {

/// Where copy-paste takes its objects from: the mirrored picture, or another one.
enum class CopyPasteMode { kFlip, kMixup };

/// Probabilities are in 0..1; an event with probability p happens when a draw from [0, 1) is below p.
struct AugmentOptions {
  int imgsz = 640;  // longer side of a loaded image, side of the output

  double mosaic = 1, mixup = 0, cutmix = 0;  // probabilities
  int mosaic_images = 4;                     // 4 or 9
  bool mosaic_closed = false;                // the last epochs: no mosaic, mixup, cutmix and copy-paste

  /// The share of the objects that fit in which is pasted; with kMixup the probability that any are as well. Only
  /// where all objects of the picture have polygons.
  double copy_paste = 0;
  CopyPasteMode copy_paste_mode = CopyPasteMode::kFlip;

  double degrees = 0;                     // rotation in +-degrees, up to 180
  double translate = 0.1;                 // shift in +-fraction of the output, 0..1
  std::array<double, 2> scale{0.5, 1.5};  // smallest and largest magnification, see scale_range()
  double shear = 0;                       // +-degrees, below 90
  double perspective = 0;                 // +-third-row entry a pixel; 0.001 is a lot

  double hsv_h = 0.015, hsv_s = 0.7, hsv_v = 0.4;  // largest relative shifts, 0..1
  double flipud = 0, fliplr = 0.5;                 // probabilities
  double bgr = 0;                                  // probability of blue-green-red instead of red-green-blue
};

/// The range that a single number `scale` stands for: 1 - scale to 1 + scale.
inline std::array<double, 2> scale_range(double scale) { return {1 - scale, 1 + scale}; }

/// Throws ArgumentError naming the first value that is out of its range (or not a number).
void check_options(const AugmentOptions& options);

}  // namespace boxcar
