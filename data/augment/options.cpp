#include "boxcar/data/augment/options.h"

#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace {

void check_range(const char* name, double value, double low, double high) {
  if (!(value >= low && value <= high)) fail<ArgumentError>("{}={} must lie between {} and {}", name, value, low, high);
}

}  // namespace

void check_options(const AugmentOptions& o) {
  constexpr int kLargestSide = 1 << 14;
  check_range("imgsz", o.imgsz, 1, kLargestSide);
  check_range("mosaic", o.mosaic, 0, 1);
  check_range("mixup", o.mixup, 0, 1);
  check_range("cutmix", o.cutmix, 0, 1);
  check_range("copy_paste", o.copy_paste, 0, 1);
  if (o.mosaic_images != 4 && o.mosaic_images != 9) {
    fail<ArgumentError>("a mosaic of {} images is not known; 4 and 9 are", o.mosaic_images);
  }
  check_range("degrees", o.degrees, 0, 180);
  check_range("translate", o.translate, 0, 1);
  constexpr double kLargestScale = 100;
  check_range("scale (smallest)", o.scale[0], 0, kLargestScale);
  check_range("scale (largest)", o.scale[1], o.scale[0], kLargestScale);
  constexpr double kSteepestShear = 89;
  check_range("shear", o.shear, 0, kSteepestShear);
  check_range("perspective", o.perspective, 0, 1);
  check_range("hsv_h", o.hsv_h, 0, 1);
  check_range("hsv_s", o.hsv_s, 0, 1);
  check_range("hsv_v", o.hsv_v, 0, 1);
  check_range("flipud", o.flipud, 0, 1);
  check_range("fliplr", o.fliplr, 0, 1);
  check_range("bgr", o.bgr, 0, 1);
}

}  // namespace boxcar
