#include "boxcar/nn/modules/linear.h"

#include "boxcar/nn/autograd/ops/ops.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar::nn {
namespace {

int positive(const char* what, int size) {
  if (size < 1) fail<ArgumentError>("{} of {} channels; at least one is needed", what, size);
  return size;
}

void check_channels(const char* what, const Value& x, int channels) {
  if (x.shape().c != channels) {
    fail<ShapeError>("{}: an input {}, but {} channels are wanted", what, x.shape().str(), channels);
  }
}

}  // namespace

Linear::Linear(Module* parent, std::string name, int in, int out)
    : Module(parent, std::move(name)),
      in_(positive("Linear", in)),
      out_(positive("Linear", out)),
      weight_(declare({.name = "weight",
                       .layout = FileLayout::kMatrix,
                       .shape = {1, 1, out, in},
                       .init = Init::kUniformFanIn,
                       .init_value = static_cast<float>(in)})),
      bias_(declare({.name = "bias", .shape = {1, 1, 1, out}})) {}

Value Linear::forward(Context&, const Value& x) {
  check_channels("Linear", x, in_);
  const Shape s = x.shape();
  // (W x^T)^T, for the weight lies an output a row.
  const Value columns = permute(reshape(x, {1, 1, static_cast<int>(s.pixels()), in_}), {0, 1, 3, 2});
  const Value y = permute(matmul(Value(weight_), columns), {0, 1, 3, 2});
  return reshape(y + Value(bias_), {s.n, s.h, s.w, out_});
}

LayerNorm::LayerNorm(Module* parent, std::string name, int channels, float eps)
    : Module(parent, std::move(name)),
      channels_(positive("LayerNorm", channels)),
      eps_(eps),
      weight_(declare({.name = "weight", .shape = {1, 1, 1, channels}, .init_value = 1, .is_norm = true})),
      bias_(declare({.name = "bias", .shape = {1, 1, 1, channels}, .is_norm = true})) {}

Value LayerNorm::forward(Context&, const Value& x) {
  check_channels("LayerNorm", x, channels_);
  const Value centred = x - mean(x, {3});
  return centred / sqrt(mean(square(centred), {3}) + eps_) * Value(weight_) + Value(bias_);
}

}  // namespace boxcar::nn
