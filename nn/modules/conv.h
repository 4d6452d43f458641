// Convolution blocks: the plain convolution with bias, and convolution + batch norm + activation.
#pragma once

#include <optional>

#include "boxcar/kernels/conv/conv.h"
#include "boxcar/nn/modules/module.h"

namespace boxcar::nn {

using kernels::Act;
using kernels::ActKind;

inline constexpr Act kSilu{ActKind::kSilu};
inline constexpr Act kNoAct{ActKind::kIdentity};
inline constexpr int kAutoPadding = -1;

struct ConvSettings {
  int kernel = 1;
  int stride = 1;
  int padding = kAutoPadding;  // auto: half the effective kernel, which keeps the size at stride 1
  int groups = 1;
  int dilation = 1;
  Act act = kSilu;

  kernels::ConvOptions options() const;
};

/// A plain convolution with bias: [N,H,W,in] -> [N,OH,OW,out]. State: weight, bias.
class Conv : public Module {
 public:
  Conv(Module* parent, std::string name, int in, int out, ConvSettings settings = {}, float bias_init = 0);
  Value forward(Context& context, const Value& x);
  void set_initial_bias(float value) { bias_.init_value = value; }

 private:
  ConvSettings settings_;
  int out_;
  Parameter& weight_;
  Parameter& bias_;
};

/// y = act(norm(conv(x))) (+ residual): one node on the tape, which keeps the convolution's output
/// and the batch statistics. State: conv.weight, bn.weight, bn.bias, bn.running_mean,
/// bn.running_var, bn.num_batches_tracked; once fused conv.weight, conv.bias.
class ConvBnAct : public Layer {
 public:
  ConvBnAct(Module* parent, std::string name, int in, int out, ConvSettings settings = {});

  Value forward(Context& context, const Value& x, const std::optional<Value>& residual = {},
                std::span<const Place> places = {});
  Value forward(Context& context, std::span<const Value> inputs, std::span<const Place> places) override;
  bool takes_parts(std::span<const int> channels) const override;
  void fuse(Stream& stream) override;

  int in_channels() const { return in_; }
  int out_channels() const { return out_; }
  const ConvSettings& settings() const { return settings_; }
  /// Running statistics normalise and stay as they are, in training too.
  void freeze_statistics(bool on) { frozen_ = on; }

 private:
  friend class ConvBnActNode;
  friend class ConvOfPartsNode;
  struct Parts;
  kernels::Norm norm(bool training) const;
  bool any_trainable() const;
  Tensor convolve(Context& context, const Tensor& x, const kernels::BatchStatistics& statistics) const;
  void refuse_training_when_fused(const Context& context) const;
  Value forward_fused(Context& context, const Value& x, const std::optional<Value>& residual,
                      std::span<const Place> places);
  Value forward_parts(Context& context, const Parts& parts, std::span<const Place> places);
  Value forward_fused_parts(Context& context, const Parts& parts, std::span<const Place> places);
  Value activate(Context& context, const kernels::NormActForwardArgs& args, bool needs_grad,
                 std::span<const Place> places);
  kernels::NormActBackwardArgs norm_backward(const Tensor& z, const Tensor& saved, const Gradient& dy) const;

  int in_, out_;
  ConvSettings settings_;
  bool frozen_ = false;
  bool fused_ = false;
  Parameter* weight_;
  Parameter* bias_ = nullptr;                                      // of a fused convolution
  kernels::ConvWeightCache fused_weights_{};                       // likewise
  kernels::ConvWeightCache smaller_weights_{}, larger_weights_{};  // likewise, of their channels, where two maps come
  Parameter *gamma_ = nullptr, *beta_ = nullptr, *mean_ = nullptr, *var_ = nullptr, *batches_ = nullptr;
};

/// Adds a convolution's share to the cost of a pass.
void count_conv(Cost& cost, Shape x, Shape y, const kernels::ConvOptions& options);

/// Folded weights: W' = W * gamma / sqrt(var + eps) per output channel, b' = beta - mean * that.
struct FoldedNorm {
  std::vector<float> scale, bias;
};
FoldedNorm folded_norm(const std::vector<float>& gamma, const std::vector<float>& beta, const std::vector<float>& mean,
                       const std::vector<float>& var, float eps);

}  // namespace boxcar::nn
