// Two-dimensional convolution (cross-correlation, as in every deep-learning library).
//
// Dense and grouped convolutions take packed tensors and run on the vendor's library on the CPU (oneDNN), on plans of
// the vendor's libraries or kernels of ours on CUDA (conv_plans.h); depthwise ones are ours and read any pixel stride.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "boxcar/kernels/activation/activation_math.h"
#include "boxcar/kernels/common/op_cost.h"
#include "boxcar/kernels/common/rows.h"
#include "boxcar/kernels/norm_act/batch_statistics.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels {

struct ConvOptions {
  int kernel = 1;
  int stride = 1;
  int padding = 0;  // on all four sides
  int dilation = 1;
  int groups = 1;  // equal to the channels: depthwise

  bool operator==(const ConvOptions&) const = default;
};

/// floor((size + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1.
int conv_output_size(int size, const ConvOptions& options);

/// Shape of y for x [N,H,W,C] and `out_channels`. Throws ShapeError if the kernel does not fit.
Shape conv_output_shape(Shape x, int out_channels, const ConvOptions& options);

/// Shape of the weights in memory: [O,k,k,C/groups], depthwise [1,k,k,C].
Shape conv_weight_shape(int in_channels, int out_channels, const ConvOptions& options);

/// A convolution's weights in the orders of the CPU's library, or rounded to bf16 for what wants them so on CUDA, kept
/// between calls. For weights that do not change: calls with one cache must come from one stream and with one `w`.
struct ConvWeightCache {
  std::shared_ptr<void> orders;
  Tensor own;  // as our own CPU kernels read them: turned, spread, or at the points of Winograd's filtering
  DType own_type = DType::kF32;  // of the x that they are for
  Tensor identity;               // of conv_act_forward(): ones, then zeros [1,1,2,O]
};

/// Whether conv_forward() can apply `act`: SiLU and ReLU in dense and grouped convolutions, identity in all.
bool conv_can_activate(const Act& act, int in_channels, int out_channels, const ConvOptions& options);

/// y = act(conv(x, w) + bias).
struct ConvForwardArgs {
  TensorView x;                 // [N,H,W,C], f32 or bf16
  TensorView w;                 // conv_weight_shape, as x; or f32, rounded to x's type on the way
  const float* bias = nullptr;  // [O], or none
  TensorView y;                 // [N,OH,OW,O] packed; as x, or f32 (not depthwise)
  ConvOptions options;
  Act act = {};                      // one that conv_can_activate() (ShapeError)
  ConvWeightCache* cache = nullptr;  // of w
  BatchStatistics statistics = {};   // where those of y go, as it is stored, if they are wanted
  /// What w, in f32, rounds to in bf16, packed. Read where x is bf16 by all that would round w before; dense
  /// convolutions on the CPU and our dense CUDA kernels round what they read, and go on reading w.
  std::optional<TensorView> rounded = {};
};
/// Throws ShapeError, or DeviceError where the library has no such convolution for this CPU (bf16 below AVX-512).
/// Statistics come from our own kernels on CUDA and of 1x1 convolutions in f32 on the CPU, and from batch_statistics()
/// else.
void conv_forward(Stream& stream, const ConvForwardArgs& args);
/// Launches are those of a vendor's library, one a convolution; the plain kernels of the tree take more where a data
/// gradient has a stride or a weight gradient is summed in parts.
OpCost cost_of(const ConvForwardArgs& args);

/// dx from dy: the adjoint of the forward pass in x.
struct ConvBackwardInputArgs {
  TensorView dy;  // [N,OH,OW,O] packed
  TensorView w;   // as in the forward pass
  TensorView dx;  // [N,H,W,C] packed, as dy, written
  ConvOptions options;
  std::optional<TensorView> rounded = {};  // as in the forward pass
};
void conv_backward_input(Stream& stream, const ConvBackwardInputArgs& args);
OpCost cost_of(const ConvBackwardInputArgs& args);

/// dw (and dbias, the sum of dy over pixels) from x and dy.
struct ConvBackwardWeightArgs {
  TensorView x;            // as in the forward pass
  TensorView dy;           // [N,OH,OW,O] packed, as x
  TensorView dw;           // conv_weight_shape, f32
  float* dbias = nullptr;  // [O], or none
  ConvOptions options;
  GradMode mode = GradMode::kOverwrite;  // of dw and dbias
};
void conv_backward_weight(Stream& stream, const ConvBackwardWeightArgs& args);
OpCost cost_of(const ConvBackwardWeightArgs& args);

/// The library's name for each convolution made on this stream so far ("forward 2x8x8x3->16 ... jit:avx512_core"),
/// for the test that none of a model's runs on a reference implementation.
std::vector<std::string> conv_implementations(Stream& stream);

}  // namespace boxcar::kernels
