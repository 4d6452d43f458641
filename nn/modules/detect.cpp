#include "boxcar/nn/modules/detect.h"

#include <algorithm>
#include <cmath>

#include "boxcar/runtime/base/error.h"

namespace boxcar::nn {
namespace {

// Holds dfl.conv.weight, the bins themselves.
class DistanceBins : public Module {
 public:
  DistanceBins(Module* parent, int bins) : Module(parent, "dfl") {
    declare({.name = "conv.weight",
             .layout = FileLayout::kConvWeight,
             .shape = {1, 1, 1, bins},
             .init = Init::kArange,
             .trainable = false});
  }
};

}  // namespace

Detect::Detect(Module* parent, std::string name, int nc, std::vector<int> channels, DetectSettings settings)
    : Module(parent, std::move(name)), nc_(nc), channels_(std::move(channels)), settings_(settings) {
  if (nc < 1 || settings.reg_max < 1 || channels_.empty()) {
    fail<ModelError>("a Detect head needs at least one class, one bin and one level, not {}, {} and {}", nc,
                     settings.reg_max, channels_.size());
  }
  const int box_width = std::max({16, channels_[0] / 4, 4 * settings.reg_max});
  if (settings_.class_width == 0) settings_.class_width = std::max(channels_[0], std::min(nc, 100));
  for (int i = 0; i < levels(); ++i) add_box_branch(i, box_width);
  add_class_branches();
}

// Also what follows them in the state dict.
void Detect::add_class_branches() {
  for (int i = 0; i < levels(); ++i) add_class_branch(i, settings_.class_width);
  if (settings_.reg_max > 1) dfl_ = std::make_unique<DistanceBins>(this, settings_.reg_max);
}

bool Detect::rebuild_class_branches(int width) {
  bool placed = false;
  for_each_parameter([&](const std::string&, const Parameter& p) { placed |= static_cast<bool>(p.value); });
  if (placed) return false;
  settings_.class_width = width;
  dfl_.reset();
  cls_.clear();
  cls_out_.clear();
  add_class_branches();
  set_strides(strides_);
  return true;
}

void Detect::add_box_branch(int level, int width) {
  const std::string name = "cv2." + std::to_string(level);
  const int in = channels_[static_cast<std::size_t>(level)];
  Branch branch;
  branch.push_back(
      std::make_unique<ConvBnAct>(this, name + ".0", in, width, ConvSettings{.kernel = 3, .act = settings_.act}));
  branch.push_back(
      std::make_unique<ConvBnAct>(this, name + ".1", width, width, ConvSettings{.kernel = 3, .act = settings_.act}));
  box_.push_back(std::move(branch));
  box_out_.push_back(std::make_unique<Conv>(this, name + ".2", width, 4 * settings_.reg_max, ConvSettings{}, 2.0f));
}

void Detect::add_class_branch(int level, int width) {
  const std::string name = "cv3." + std::to_string(level);
  const int in = channels_[static_cast<std::size_t>(level)];
  Branch branch;
  const auto add = [&](const char* child, int from, int to, int kernel, int groups) {
    branch.push_back(std::make_unique<ConvBnAct>(
        this, name + child, from, to, ConvSettings{.kernel = kernel, .groups = groups, .act = settings_.act}));
  };
  if (settings_.legacy) {
    add(".0", in, width, 3, 1);
    add(".1", width, width, 3, 1);
  } else {
    add(".0.0", in, in, 3, in);
    add(".0.1", in, width, 1, 1);
    add(".1.0", width, width, 3, width);
    add(".1.1", width, width, 1, 1);
  }
  cls_.push_back(std::move(branch));
  cls_out_.push_back(std::make_unique<Conv>(this, name + ".2", width, nc_));
}

void Detect::set_strides(std::vector<int> strides) {
  strides_ = std::move(strides);
  for (std::size_t i = 0; i < cls_out_.size() && i < strides_.size(); ++i) {
    const double cells = 640.0 / strides_[i];
    cls_out_[i]->set_initial_bias(static_cast<float>(std::log(5.0 / nc_ / (cells * cells))));
  }
}

Outputs Detect::forward(Context& context, std::span<const Value> features) {
  if (features.size() != channels_.size()) {
    fail<ModelError>("the Detect head has {} levels but got {} feature maps", channels_.size(), features.size());
  }
  used_ = true;
  Outputs outputs;
  for (std::size_t i = 0; i < features.size(); ++i) {
    Value box = features[i], cls = features[i];
    for (const auto& layer : box_[i]) box = layer->forward(context, box);
    for (const auto& layer : cls_[i]) cls = layer->forward(context, cls);
    outputs.push_back(box_out_[i]->forward(context, box));
    // The expectation over the bins, which decoding takes, is counted as the convolution it once was.
    if (dfl_) context.cost().conv_multiply_adds += outputs.back().shape().count();
    outputs.push_back(cls_out_[i]->forward(context, cls));
  }
  return outputs;
}

Outputs Detect::forward(Context& context, std::initializer_list<Value> features) {
  return forward(context, std::span<const Value>(features.begin(), features.size()));
}

}  // namespace boxcar::nn
