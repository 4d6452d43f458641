#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "boxcar/kernels/loss/detection_loss.h"
#include "boxcar/kernels/optim/optim.h"
#include "boxcar/kernels/render/hsv_tables.h"
#include "boxcar/kernels/render/render_table.h"
#include "boxcar/runtime/random/philox.h"
#include "cases.h"

namespace boxcar::bench {
namespace {

using kernels::RenderPlan;

constexpr int kClasses = 80, kRegMax = 16, kBoxes = 8;  // boxes an image
constexpr int kSources = 16;

// A mosaic of four pictures of `side` pixels, scaled and shifted, with other colours.
RenderPlan mosaic(int side, Random& random) {
  RenderPlan plan;
  plan.width = plan.height = side;
  const auto below = static_cast<std::uint32_t>(side);
  const int x = side / 2 + static_cast<int>(random.below(below)), y = side / 2 + static_cast<int>(random.below(below));
  plan.picture.tile_count = 4;
  for (int i = 0; i < 4; ++i) {
    const int left = i % 2 ? x : x - side, top = i / 2 ? y : y - side;
    plan.picture.tiles[i] = {static_cast<int>(random.below(kSources)),
                             std::max(left, 0),
                             std::max(top, 0),
                             std::min(left + side, 2 * side),
                             std::min(top + side, 2 * side),
                             left,
                             top};
  }
  const double step = 1 / random.uniform(0.5, 1.5);
  float* const m = plan.picture.inverse;
  m[0] = m[4] = static_cast<float>(step);
  for (const int i : {2, 5}) m[i] = static_cast<float>(side * (1 - step * random.uniform(0.4, 0.6)));
  kernels::set_hsv_gains(plan, 0.01, random.uniform(-0.7, 0.7), random.uniform(-0.4, 0.4));
  return plan;
}

Tensor random_picture(Stream& s, int side) {
  Random random(1);
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(side) * static_cast<std::size_t>(side) * 3);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random.below(256));
  const Tensor picture = Tensor::empty(s, {1, side, side, 3}, DType::kU8);
  s.copy(picture.view().data, bytes.data(), bytes.size());
  s.synchronize();
  return picture;
}

Case render_case(int batch, int side, DType dtype) {
  return {fmt::format("{} mosaics {}x{}, HSV", batch, side, side), [=](Stream& s) -> Call {
            std::vector<Tensor> pictures;
            std::vector<kernels::SourceImage> sources;
            for (int i = 0; i < kSources; ++i) {
              pictures.push_back(random_picture(s, side));
              sources.push_back({pictures.back().as<const std::uint8_t>(), side, side});
            }
            Random random(2);
            std::vector<RenderPlan> plans;
            for (int i = 0; i < batch; ++i) plans.push_back(mosaic(side, random));
            const Tensor out = Tensor::empty(s, {batch, side, side, 3}, dtype);
            const kernels::RenderArgs host{plans, sources, out};
            std::vector<std::byte> bytes(kernels::render_table_bytes(host));
            kernels::write_render_table(host, bytes);
            const Tensor table = Tensor::empty(s, {1, 1, 1, static_cast<int>(bytes.size())}, DType::kU8);
            s.copy(table.view().data, bytes.data(), bytes.size());
            s.synchronize();
            return [=, kept = pictures](Stream& stream) {
              kernels::render(stream, kernels::render_args_at(table.view().data, {plans, sources, out}));
            };
          }};
}

Tensor random_targets(Stream& s, int images) {
  Random random(3);
  std::vector<float> rows;
  for (int i = 0; i < images * kBoxes; ++i) {
    rows.push_back(static_cast<float>(i / kBoxes));
    rows.push_back(static_cast<float>(random.below(kClasses)));
    for (int side = 0; side < 4; ++side) rows.push_back(static_cast<float>(random.uniform(0.3, 0.6)));
  }
  return Tensor::from(s, {1, 1, images * kBoxes, 6}, rows);
}

Case loss_case(int batch, int side) {
  return {fmt::format("{} images, {} classes, {} boxes each", batch, kClasses, kBoxes), [=](Stream& s) -> Call {
            kernels::DetectionLossArgs args{.reg_max = kRegMax};
            std::vector<Tensor> keep;
            const auto tensor = [&](Shape shape) { return keep.emplace_back(random_tensor(s, shape)); };
            for (const int stride : {8, 16, 32}) {
              const int cells = std::max(side / stride, 1);
              const Shape boxes{batch, cells, cells, 4 * kRegMax}, classes{batch, cells, cells, kClasses};
              args.levels.push_back({tensor(boxes), tensor(classes), static_cast<float>(stride)});
              args.grads.push_back({tensor(boxes), tensor(classes)});
            }
            args.targets = keep.emplace_back(random_targets(s, batch));
            args.total = tensor({});
            return [args, keep](Stream& stream) { kernels::detection_loss(stream, args); };
          }};
}

// What an update reads and writes, for SGD with a moving average and a bf16 copy.
struct Update {
  std::shared_ptr<kernels::FlatBlocks> blocks;
  Tensor values, grads, state, averages, rounded, coefficients, norm;

  Update(Stream& s, int parameters)
      : blocks(std::make_shared<kernels::FlatBlocks>(s, std::vector<kernels::FlatRange>{{0, parameters}})),
        values(random_tensor(s, {1, 1, 1, parameters})),
        grads(random_tensor(s, {1, 1, 1, parameters})),
        state(random_tensor(s, {1, 1, 1, parameters})),
        averages(random_tensor(s, {1, 1, 1, parameters})),
        rounded(Tensor::empty(s, {1, 1, 1, parameters}, DType::kBF16)),
        coefficients(Tensor::empty(s, {1, 1, 1, sizeof(kernels::StepCoefficients)}, DType::kU8)),
        norm(Tensor::empty(s, {1, 1, 1, sizeof(kernels::GradientNorm)}, DType::kU8)) {
    kernels::StepCoefficients step;
    step.groups[0] = kernels::update_coefficients(kernels::OptimKind::kSgd, {.lr = 1e-6, .momentum = 0.9});
    step.max_norm = 10.0;
    step.average_weight = 1e-3f;
    kernels::set_coefficients(s, {step, coefficients.as<kernels::StepCoefficients>()});
    find_norm(s);
  }
  void find_norm(Stream& s) const {
    kernels::gradient_norm(
        s, {*blocks, grads.as(), coefficients.as<const kernels::StepCoefficients>(), norm.as<kernels::GradientNorm>()});
  }
  void apply(Stream& s) const {
    kernels::OptimizerStepArgs args{kernels::OptimKind::kSgd,
                                    *blocks,
                                    coefficients.as<const kernels::StepCoefficients>(),
                                    values.as(),
                                    grads.as(),
                                    state.as()};
    args.norm = norm.as<const kernels::GradientNorm>();
    args.averages = averages.as();
    args.rounded = rounded.as<bfloat16>();
    kernels::optimizer_step(s, args);
  }
};

void add_updates(std::vector<Case>& cases, const std::string& network, int parameters) {
  const std::string name = fmt::format("{}, {} parameters", network, parameters);
  cases.push_back({name, [=](Stream& s) -> Call {
                     return [update = Update(s, parameters)](Stream& stream) { update.find_norm(stream); };
                   }});
  cases.push_back({name + ", SGD", [=](Stream& s) -> Call {
                     return [update = Update(s, parameters)](Stream& stream) { update.apply(stream); };
                   }});
}

}  // namespace

std::vector<Case> step_cases(const Settings& settings, DType dtype) {
  const int side = 640 / settings.shrink;
  std::vector<Case> cases = {render_case(settings.batch, side, dtype), loss_case(settings.batch, side)};
  const int fewer = settings.shrink * settings.shrink;
  add_updates(cases, "yolo11n", 2'600'000 / fewer);
  add_updates(cases, "yolo11m", 20'100'000 / fewer);
  return cases;
}

}  // namespace boxcar::bench
