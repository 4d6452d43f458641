// Fitting an image into a given size with borders, for validation and prediction.
#pragma once

#include "boxcar/data/augment/boxes.h"
#include "boxcar/data/image/image.h"
#include "boxcar/data/image/resize.h"
#include "boxcar/kernels/render/render_plan.h"

namespace boxcar {

struct LetterboxOptions {
  bool shrink_to_stride = false;  // the smallest picture whose sides are multiples of `stride` ("auto")
  bool scale_fill = false;        // stretch to the target without borders (not with shrink_to_stride)
  bool scale_up = true;           // false: an image is never enlarged
  bool center = true;             // false: all borders right and below
  int stride = 32;
};

/// Validation: centred, never enlarged (images are already resized on load).
inline constexpr LetterboxOptions kValidationLetterbox{.scale_up = false};
/// Prediction: `shrink_to_stride` when all images of a batch have the same size and rect is on.
inline constexpr LetterboxOptions predict_letterbox(bool shrink_to_stride, int stride) {
  return {.shrink_to_stride = shrink_to_stride, .stride = stride};
}

/// The image becomes `inner`, with borders in pixels; a position x of the image becomes
/// x * ratio_w + left. The ratios are the ideal ones, not inner.width / width.
struct Letterbox {
  ResizedSize inner;
  int top = 0, bottom = 0, left = 0, right = 0;
  double ratio_h = 1, ratio_w = 1;
  int height() const { return inner.height + top + bottom; }
  int width() const { return inner.width + left + right; }
};

/// For an image of `size` and a target. Rounds to nearest, ties to even; an odd border has its extra
/// pixel right or below. Throws ArgumentError if a side or the stride is below 1.
Letterbox letterbox_geometry(ResizedSize size, ResizedSize target, const LetterboxOptions& options);

/// The image with its borders of 114, in its own channel order. The image must have the size that
/// the geometry was made for.
Image letterbox_image(const Image& image, const Letterbox& geometry);

/// The same as a plan for an image that is already resized to geometry.inner; the result is RGB.
kernels::RenderPlan letterbox_plan(const Letterbox& geometry);

/// Labels of the image of `size` as fractions of the letterboxed picture.
BoxLabel letterbox_label(const BoxLabel& label, ResizedSize size, const Letterbox& geometry);

}  // namespace boxcar
