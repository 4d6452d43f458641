#include <fmt/format.h>

#include <algorithm>

#include "boxcar/kernels/common/gemm.h"
#include "boxcar/kernels/conv/conv.h"
#include "cases.h"

namespace boxcar::bench {
namespace {

using kernels::ConvOptions;

// A layer of a network: its input's side at 640 pixels and its channels.
struct Layer {
  int side, in, out;
  ConvOptions options;
};

// The heaviest of n, then of m; each kind of kernel that the networks have.
const Layer kLayers[] = {
    {640, 3, 16, {.kernel = 3, .stride = 2, .padding = 1}},
    {320, 16, 32, {.kernel = 3, .stride = 2, .padding = 1}},
    {160, 48, 64, {}},
    {160, 32, 32, {}},
    {80, 96, 128, {}},
    {160, 64, 64, {.kernel = 3, .stride = 2, .padding = 1}},
    {80, 64, 64, {.kernel = 3, .padding = 1}},
    {40, 128, 128, {.kernel = 3, .padding = 1}},
    {320, 64, 128, {.kernel = 3, .stride = 2, .padding = 1}},
    {160, 64, 64, {.kernel = 3, .padding = 1}},
    {40, 512, 512, {}},
    {20, 256, 256, {.kernel = 3, .padding = 1}},
    {80, 80, 80, {.kernel = 3, .padding = 1, .groups = 80}},
    {40, 256, 256, {.kernel = 3, .padding = 1, .groups = 256}},
};

std::string name_of(const Layer& layer, Shape x) {
  const ConvOptions& o = layer.options;
  return fmt::format("{} {}->{} {}x{}{}{}", x.str(), layer.in, layer.out, o.kernel, o.kernel,
                     o.stride > 1 ? " stride 2" : "", o.groups > 1 ? " depthwise" : "");
}

Layer narrowed(Layer layer, int by) {
  if (layer.in > 3) layer.in = std::max(layer.in / by, 1);
  layer.out = std::max(layer.out / by, 1);
  if (layer.options.groups > 1) layer.options.groups = layer.in;
  return layer;
}

void add_passes(std::vector<Case>& cases, const Layer& layer, const Settings& settings, DType dtype) {
  const int side = std::max(layer.side / settings.shrink, 2);
  const Shape in{settings.batch, side, side, layer.in};
  const Shape out = kernels::conv_output_shape(in, layer.out, layer.options);
  const Shape weights = kernels::conv_weight_shape(layer.in, layer.out, layer.options);
  const ConvOptions options = layer.options;
  const std::string name = name_of(layer, in);
  cases.push_back({name, [=](Stream& s) -> Call {
                     const Tensor x = random_tensor(s, in, dtype), w = random_tensor(s, weights, dtype);
                     const Tensor y = Tensor::empty(s, out, dtype);
                     return [=](Stream& stream) { kernels::conv_forward(stream, {x, w, nullptr, y, options}); };
                   }});
  if (layer.in != 3) {  // nobody asks for the gradient of the pictures
    cases.push_back({name, [=](Stream& s) -> Call {
                       const Tensor dy = random_tensor(s, out, dtype), w = random_tensor(s, weights, dtype);
                       const Tensor dx = Tensor::empty(s, in, dtype);
                       return [=](Stream& stream) { kernels::conv_backward_input(stream, {dy, w, dx, options}); };
                     }});
  }
  cases.push_back({name, [=](Stream& s) -> Call {
                     const Tensor x = random_tensor(s, in, dtype), dy = random_tensor(s, out, dtype);
                     const Tensor dw = Tensor::empty(s, weights);
                     return [=](Stream& stream) {
                       kernels::conv_backward_weight(stream, {x, dy, dw, nullptr, options});
                     };
                   }});
}

}  // namespace

std::vector<Case> convolution_cases(const Settings& settings, DType dtype) {
  std::vector<Case> cases;
  for (const Layer& layer : kLayers) add_passes(cases, narrowed(layer, settings.narrow), settings, dtype);
  const int n = settings.gemm_size / 4;
  cases.push_back(
      {fmt::format("{0} x {0} x {0} f32", n), [=](Stream& s) -> Call {
         const Tensor a = random_tensor(s, {1, 1, n, n}), b = random_tensor(s, {1, 1, n, n});
         const Tensor c = Tensor::empty(s, {1, 1, n, n});
         return [=](Stream& stream) {
           kernels::gemm(stream,
                         {.m = n, .n = n, .k = n, .a = a.as(), .lda = n, .b = b.as(), .ldb = n, .c = c.as(), .ldc = n});
         };
       }});
  return cases;
}

}  // namespace boxcar::bench
