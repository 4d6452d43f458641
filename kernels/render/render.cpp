#include "boxcar/kernels/render/render.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/render/colour_rows.h"
#include "boxcar/kernels/render/picture_sampler.h"
#include "boxcar/kernels/render/render_checks.h"
#include "boxcar/kernels/render/to_float.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::kernels {
namespace cpu {
namespace {

/// The rows of one plan; holds the row in the making.
class PlanRenderer {
 public:
  PlanRenderer(const RenderPlan& plan, std::span<const SourceImage> images)
      : plan_(plan),
        cut_x1_(std::clamp(plan.cut_x1, 0, plan.width)),
        cut_x2_(std::clamp(plan.cut_x2, 0, plan.width)),
        picture_(make_sampler(plan.picture, images, plan.fill, 0, plan.width)),
        row_(bytes_of_row()) {
    if (plan.mixup) {
      mixup_ = make_sampler(plan.mixup_picture, images, plan.fill, 0, plan.width);
      other_.resize(row_.size());
    }
    if (plan.cutmix && cut_x1_ < cut_x2_) {
      cutmix_ = make_sampler(plan.cutmix_picture, images, plan.fill, cut_x1_, cut_x2_);
    }
  }

  void row(int y, std::uint8_t* out) {
    const int from = plan_.flip_vertical ? plan_.height - 1 - y : y;
    picture_->row(from, row_.data());
    if (mixup_) {
      mixup_->row(from, other_.data());
      mix_row(plan_.mixup_ratio, other_.data(), plan_.width, row_.data());
    }
    if (cutmix_ && from >= plan_.cut_y1 && from < plan_.cut_y2) cutmix_->row(from, row_.data() + 4 * cut_x1_);
    if (plan_.hsv) shift_colours(plan_, plan_.width, row_.data());
    store_row(plan_, row_.data(), plan_.width, out);
  }

 private:
  std::size_t bytes_of_row() const {
    const std::size_t units = (std::size_t(plan_.width) + kRowUnit - 1) / kRowUnit;
    return units * kRowUnit * 4;
  }

  const RenderPlan& plan_;
  int cut_x1_, cut_x2_;
  std::unique_ptr<PictureSampler> picture_, mixup_, cutmix_;
  std::vector<std::uint8_t> row_, other_;
};

void render_bytes(Stream& stream, const RenderArgs& args) {
  const std::int64_t height = args.out.h, rows = height * args.out.n;
  const std::int64_t row_bytes = std::int64_t{3} * args.out.w;
  constexpr std::int64_t kGrain = 16;  // rows
  parallel_for(stream.threads(), rows, kGrain, [&](std::int64_t begin, std::int64_t end) {
    while (begin < end) {
      const std::int64_t n = begin / height, stop = std::min(end, (n + 1) * height);
      PlanRenderer renderer(args.plans[n], args.images);
      for (; begin < stop; ++begin) {
        renderer.row(static_cast<int>(begin - n * height), args.out.as<std::uint8_t>() + begin * row_bytes);
      }
    }
  });
}

}  // namespace

void render(Stream& stream, const RenderArgs& args) {
  check_render_plans(args);
  if (args.out.count() == 0) return;
  if (args.out.dtype == DType::kU8) return render_bytes(stream, args);
  const Tensor bytes = Tensor::empty(stream, args.out.shape(), DType::kU8);
  render_bytes(stream, {args.plans, args.images, bytes});
  images_to_float(stream, {bytes, args.out});
}

}  // namespace cpu

#if BOXCAR_WITH_CUDA
namespace cuda {
void render(Stream& stream, const RenderArgs& args);
}  // namespace cuda
#endif

void render(Stream& stream, const RenderArgs& args) {
  check_render_output(args);
  BOXCAR_DISPATCH(stream, render, args);
}

}  // namespace boxcar::kernels
