#include "boxcar/nn/model/detection_model.h"

#include "boxcar/kernels/conv/conv_enlarged.h"
#include "boxcar/kernels/loss/decode.h"
#include "boxcar/nn/arena/arena.h"
#include "boxcar/nn/model/build_layer.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar {

namespace {

// Rows are worked out from what a registered module says of itself; memory is laid out by it.
void check_registered(const LayerSpec& row, Shape image, const nn::Value& value) {
  if (!std::holds_alternative<RegisteredSpec>(row.spec)) return;
  if (!value.defined()) fail<ModelError>("row {} {}: the module's forward() gave an empty value", row.index, row.text);
  const Shape result = value.shape();
  const bool told = image.h == 256 && image.w == 256;  // the size that is known beforehand
  const bool size = !told || (result.h == row.size_at_256 && result.w == row.size_at_256);
  if (result.c == row.out_channels && size) return;
  fail<ModelError>(
      "row {} {}: the module says that it gives {} channels and a map of {} x {} for an image of 256 x 256, but "
      "gave {}; correct its output()",
      row.index, row.text, row.out_channels, row.size_at_256, row.size_at_256, result.str());
}

}  // namespace

DetectionModel::DetectionModel(const ModelSpec& spec) : spec_(spec) {
  for (const LayerSpec& row : spec_.layers) {
    const std::string name = "model." + std::to_string(row.index);
    if (const auto* head = std::get_if<DetectSpec>(&row.spec)) {
      detect_ = std::make_unique<nn::Detect>(this, name, head->nc, head->channels,
                                             nn::DetectSettings{.reg_max = head->reg_max,
                                                                .legacy = head->legacy,
                                                                .class_width = head->class_width,
                                                                .act = spec_.activation});
    } else {
      layers_.push_back(build_layer(this, name, row, spec_.activation));
    }
  }
  as_written_ = plan_layers(spec_, {});
  const auto takes_parts = [&](int row, std::span<const int> channels) {
    const auto i = static_cast<std::size_t>(row);
    return i < layers_.size() && layers_[i]->takes_parts(channels);
  };
  joined_ = plan_layers(spec_, find_joins(spec_, takes_parts));
}

DetectionModel::~DetectionModel() = default;

// A trace is to see each row's result.
const LayerPlan& DetectionModel::plan_for(const nn::Context& context) const {
  const bool joins = !trace_ && kernels::runs_enlarged_conv(context.stream(), context.activations());
  return joins ? joined_ : as_written_;
}

nn::Places DetectionModel::places_for(const LayerPlan& plan, std::size_t layer, std::vector<nn::Wide>& wides) const {
  nn::Places places;
  const int channels = spec_.layers[layer].out_channels;
  for (const LayerPlan::Hint& hint : plan.rows[layer].hints) {
    nn::Wide& wide = wides[hint.concat];
    if (!wide) wide = nn::Wide(spec_.layers[hint.concat].out_channels);
    places.push_back({wide, hint.first, {0, channels}});
  }
  if (!places.empty() && plan.rows[layer].read_packed) places.push_back({{}, 0, {0, channels}});
  return places;
}

Outputs DetectionModel::forward(nn::Context& context, const nn::Value& images) {
  const LayerPlan& plan = plan_for(context);
  std::vector<nn::Value> results(layers_.size());
  std::vector<nn::Wide> wides(layers_.size());
  const auto inputs_of = [&](const LayerPlan::Row& row) {
    std::vector<nn::Value> inputs;
    for (const int from : row.from) inputs.push_back(from < 0 ? images : results[static_cast<std::size_t>(from)]);
    return inputs;
  };
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const LayerPlan::Row& row = plan.rows[i];
    if (row.spared) continue;
    results[i] = layers_[i]->forward(context, inputs_of(row), places_for(plan, i, wides));
    check_registered(spec_.layers[i], images.shape(), results[i]);
    if (trace_) trace_(static_cast<int>(i), results[i]);
    wides[i] = {};
    for (const int last : row.last_read) results[static_cast<std::size_t>(last)] = {};
  }
  return detect_->forward(context, inputs_of(plan.rows.back()));
}

std::unique_ptr<Criterion> DetectionModel::init_criterion() { return std::make_unique<DetectionCriterion>(); }

const nn::Detect& DetectionModel::head() const {
  if (!head_) fail<ModelError>("the model's head is not known yet; call prepare() first");
  return *head_;
}

// The strides that forward() shows on an empty image; nothing is kept of the pass itself.
std::vector<int> DetectionModel::probe_strides(Stream& stream) {
  constexpr int kProbeSize = 256;
  const nn::ProbeValues values(*this, stream);
  nn::Context context(stream, nn::Pass::kEvaluate);
  const nn::Value image(context, Tensor::zeros(stream, {1, kProbeSize, kProbeSize, spec_.channels}));
  const Outputs outputs = forward(context, image);
  std::vector<int> strides;
  for (std::size_t i = 0; i + 1 < outputs.size(); i += 2) strides.push_back(kProbeSize / outputs[i].shape().h);
  return strides;
}

void DetectionModel::prepare(Stream& stream) {
  std::vector<int> strides = probe_strides(stream);
  for_each_module([&](const std::string&, nn::Module& module) {
    if (auto* head = dynamic_cast<nn::Detect*>(&module); head && head->used()) head_ = head;
  });
  if (!head_)
    fail<ModelError>("forward() used no Detect head; a model without one must override decode() and its own validator");
  head_->set_strides(std::move(strides));
  if (head_ != detect_.get()) {
    layers_.clear();
    detect_.reset();
  }
}

nn::Value DetectionModel::decode(nn::Context& context, const Outputs& outputs) {
  kernels::DecodePredictionsArgs args{.reg_max = head().reg_max()};
  int anchors = 0;
  for (std::size_t i = 0; i < strides().size(); ++i) {
    const nn::Value &box = outputs[2 * i], &cls = outputs[2 * i + 1];
    args.levels.push_back({box.packed(), cls.packed(), static_cast<float>(strides()[i])});
    anchors += box.shape().h * box.shape().w;
  }
  const Tensor decoded = Tensor::empty(context.stream(), {outputs[0].shape().n, 1, anchors, 4 + head().nc()});
  args.to = decoded;
  kernels::decode_predictions(context.stream(), args);
  return {context, decoded};
}

DetectionLossSettings DetectionModel::loss_settings() const {
  return {strides(), head().nc(), head().reg_max(), gains_, class_weights_};
}

void DetectionModel::set_loss(kernels::LossGains gains, std::vector<float> class_weights) {
  gains_ = gains;
  class_weights_ = std::move(class_weights);
}

}  // namespace boxcar
