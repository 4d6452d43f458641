#include "boxcar/nn/model/model_info.h"

#include <fmt/format.h>

#include <charconv>

#include "boxcar/nn/arena/arena.h"

namespace boxcar {
namespace {

// The layer that a parameter "model.12.cv1.conv.weight" belongs to; -1 if its name is of another kind.
int layer_of(const std::string& name) {
  constexpr std::string_view kPrefix = "model.";
  int layer = -1;
  if (name.starts_with(kPrefix)) std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), layer);
  return layer;
}

double gflops_at(const nn::Cost& cost, double pixels_ratio) {
  const double linear = static_cast<double>(cost.conv_multiply_adds) + 4.0 * static_cast<double>(cost.norm_elements);
  return 2e-9 *
         (linear * pixels_ratio + static_cast<double>(cost.attention_multiply_adds) * pixels_ratio * pixels_ratio);
}

}  // namespace

ModelInfo model_info(DetectionModel& model, Stream& stream, int imgsz) {
  constexpr int kProbeSize = 64;
  ModelInfo info;
  for (const LayerSpec& row : model.spec().layers) {
    info.layers.push_back({row.index, row.from, row.repeats, row.module, 0, row.out_channels});
  }
  model.for_each_parameter([&](const std::string& name, nn::Parameter& p) {
    if (p.kind != nn::StateKind::kParameter) return;
    info.parameters += p.shape.count();
    if (p.trainable) info.gradients += p.shape.count();
    const auto layer = static_cast<std::size_t>(layer_of(name));
    if (layer < info.layers.size()) info.layers[layer].parameters += p.shape.count();
  });
  nn::ProbeValues values(model, stream);
  nn::Context context(stream, nn::Pass::kEvaluate);
  model.forward(context, nn::Value(context, Tensor::zeros(stream, {1, kProbeSize, kProbeSize, model.spec().channels})));
  const double side = static_cast<double>(imgsz) / kProbeSize;
  info.gflops = gflops_at(context.cost(), side * side);
  return info;
}

std::string model_table(const ModelSpec& spec, const ModelInfo& info, int imgsz) {
  std::string table =
      fmt::format("{:>5}  {:<14}{:>3}  {:<14}{:>12}{:>10}\n", "layer", "from", "n", "module", "parameters", "channels");
  for (const LayerInfo& layer : info.layers) {
    table += fmt::format("{:>5}  {:<14}{:>3}  {:<14}{:>12}{:>10}\n", layer.index,
                         fmt::format("{}", fmt::join(layer.from, ", ")), layer.repeats, layer.module, layer.parameters,
                         layer.out_channels ? std::to_string(layer.out_channels) : "-");
  }
  return table + fmt::format("{} classes, {} parameters, {} gradients, {:.2f} GFLOPs at {} x {}\n", spec.nc,
                             info.parameters, info.gradients, info.gflops, imgsz, imgsz);
}

}  // namespace boxcar
