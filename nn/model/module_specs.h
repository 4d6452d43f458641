// What a row of a model file becomes: one struct a module, every number already
// scaled, every default written out, so that building the module is a plain call.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "boxcar/kernels/activation/activation_math.h"

namespace boxcar {

namespace nn {
class Module;
class Layer;
}  // namespace nn

/// act(bn(conv2d(x))), the convolution without bias. A DWConv row has groups = gcd(c1, c2).
struct ConvSpec {
  int c1 = 0, c2 = 0;
  int kernel = 1, stride = 1, padding = 0;  // square; padding on all four sides, "auto" already resolved
  int groups = 1, dilation = 1;
  kernels::Act act{};  // the model's activation where the row left it at its default; kIdentity for false
};

/// cv1 = Conv(c1, hidden, kernels[0]), cv2 = Conv(hidden, c2, kernels[1], groups); x is added if shortcut and c1 = c2.
struct BottleneckSpec {
  int c1 = 0, c2 = 0;
  bool shortcut = true;
  int groups = 1;
  std::array<int, 2> kernels{3, 3};
  double e = 0.5;  // hidden = hidden_channels(c2, e)
};

/// C2f. Its bottlenecks work on hidden_channels(c2, e) channels, kernels 3 and 3, inner e = 1.
struct C2fSpec {
  int c1 = 0, c2 = 0, n = 1;
  bool shortcut = false;
  int groups = 1;
  double e = 0.5;
};

/// C3. Its bottlenecks have kernels 1 and 3, inner e = 1.
struct C3Spec {
  int c1 = 0, c2 = 0, n = 1;
  bool shortcut = true;
  int groups = 1;
  double e = 0.5;
};

/// C3k2. Branch j is, of hidden = hidden_channels(c2, e) channels: with attn a Bottleneck and a PSABlock
/// (attention_heads(hidden) heads, ratio 0.5); else with c3k a C3k(hidden, hidden, 2, kernel 3); else a Bottleneck (e =
/// 0.5).
struct C3k2Spec {
  int c1 = 0, c2 = 0, n = 1;
  bool c3k = false;  // already forced to true at scales m, l and x
  double e = 0.5;
  bool attn = false;
  int groups = 1;
  bool shortcut = true;
};

/// cv1 = Conv(c1, c1 / 2), max pools of stride 1 beside each other, cv2 over all of them.
struct SppSpec {
  int c1 = 0, c2 = 0;
  std::vector<int> kernels{5, 9, 13};  // odd
};

/// As SPP with n max pools of one kernel in a row; x is added if shortcut and c1 = c2.
struct SppfSpec {
  int c1 = 0, c2 = 0;
  int kernel = 5;  // odd
  int n = 3;
  bool shortcut = false;
  kernels::Act cv1_act{};  // the model's activation for rows [c2] and [c2, k]; kIdentity for longer rows
};

/// C2PSA and C2fPSA: n PSABlocks on hidden_channels(c, e) channels, attention_heads(hidden) heads, ratio 0.5.
struct C2psaSpec {
  int c = 0;  // input and output channels
  int n = 1;
  double e = 0.5;
};

/// PSA: one attention and one feed-forward part on hidden_channels(c, e) channels, heads as in C2psaSpec.
struct PsaSpec {
  int c = 0;  // input and output channels
  double e = 0.5;
};

/// Output (y, x) = input (y / factor, x / factor).
struct UpsampleSpec {
  int factor = 2;
};

struct MaxPoolSpec {
  int kernel = 1, stride = 1, padding = 0;
};

struct IdentitySpec {};

/// Concatenation over channels, in the order of LayerSpec::from.
struct ConcatSpec {};

/// A module of the program's own: see register_module().
struct RegisteredSpec {
  std::function<std::unique_ptr<nn::Layer>(nn::Module* parent, const std::string& name)> make{};
  int size_in = 1, size_out = 1;  // sides of the maps that the first copy reads and gives, for an image of 256 x 256
};

/// The anchor-free detection head with one branch.
struct DetectSpec {
  int nc = 1, reg_max = 16;
  bool end2end = false;         // always false: a second branch is refused as not supported yet
  bool legacy = false;          // class branches of plain Conv (YOLOv5, v8) instead of DWConv + Conv (YOLO11)
  std::vector<int> channels{};  // input channels of the levels
  std::vector<int> strides{};   // of the levels, in pixels of the network's input
  int box_width = 0;            // inner channels of the box branches: max(16, channels[0] / 4, 4 * reg_max)
  int class_width = 0;  // inner channels of the class branches: max(channels[0], min(nc, 100)) until weights differ
};

using ModuleSpec =
    std::variant<ConvSpec, BottleneckSpec, C2fSpec, C3Spec, C3k2Spec, SppSpec, SppfSpec, C2psaSpec, PsaSpec,
                 UpsampleSpec, MaxPoolSpec, IdentitySpec, ConcatSpec, RegisteredSpec, DetectSpec>;

/// Channels inside a block: c * e, cut toward zero.
int hidden_channels(int c, double e);
/// Heads of the attention inside C2PSA, C2fPSA, PSA and C3k2: max(c / 64, 1).
int attention_heads(int c);
/// Side of a square map after one application of `module` to a map of side `size`; below 1 where the kernel does not
/// fit.
int output_size(const ModuleSpec& module, int size);

}  // namespace boxcar
