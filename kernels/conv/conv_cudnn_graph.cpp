#include "boxcar/kernels/conv/conv_cudnn_graph.h"

#include <array>

namespace boxcar::kernels {
namespace {

constexpr std::int64_t kAlignment = 16;
constexpr std::int64_t kX = CudnnTensors::kX, kW = CudnnTensors::kW, kY = CudnnTensors::kY, kBias = CudnnTensors::kBias;
constexpr std::int64_t kBetween = 5;  // those between the operations count on from here

cudnnDataType_t type_of(DType dtype) { return dtype == DType::kBF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT; }

// The library names dimensions N, C, H, W whatever their order in memory, which the strides say. A virtual tensor is a
// value between two operations.
CudnnDescriptor tensor(std::int64_t id, Shape shape, cudnnDataType_t type, bool is_virtual = false) {
  const std::int64_t n = shape.n, h = shape.h, w = shape.w, c = shape.c;
  const std::array<std::int64_t, 4> dimensions{n, c, h, w}, strides{h * w * c, 1, w * c, c};
  CudnnDescriptor tensor(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  tensor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, id)
      .set(CUDNN_ATTR_TENSOR_DATA_TYPE, type)
      .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, kAlignment)
      .set_all(CUDNN_ATTR_TENSOR_DIMENSIONS, std::span(dimensions))
      .set_all(CUDNN_ATTR_TENSOR_STRIDES, std::span(strides))
      .set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, is_virtual)
      .finalize();
  return tensor;
}

CudnnDescriptor convolution(const ConvOptions& o) {
  const std::array<std::int64_t, 2> padding{o.padding, o.padding}, stride{o.stride, o.stride},
      dilation{o.dilation, o.dilation};
  CudnnDescriptor convolution(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  convolution.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, std::int64_t{2})
      .set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT)
      .set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CROSS_CORRELATION)
      .set_all(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, std::span(padding))
      .set_all(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, std::span(padding))
      .set_all(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, std::span(stride))
      .set_all(CUDNN_ATTR_CONVOLUTION_DILATIONS, std::span(dilation))
      .finalize();
  return convolution;
}

// What the passes are called and which of their attributes take x, w and y.
struct PassNames {
  cudnnBackendDescriptorType_t operation;
  cudnnBackendAttributeName_t convolution, x, w, y, alpha, beta;
};

PassNames names_of(ConvPass pass) {
  switch (pass) {
    case ConvPass::kForward:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
    case ConvPass::kBackwardInput:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
    default:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
  }
}

CudnnDescriptor convolution_operation(const ConvProblem& p, const CudnnDescriptor& x, const CudnnDescriptor& w,
                                      const CudnnDescriptor& y) {
  const PassNames names = names_of(p.pass);
  CudnnDescriptor operation(names.operation);
  operation.set(names.convolution, convolution(p.options))
      .set(names.x, x)
      .set(names.w, w)
      .set(names.y, y)
      .set(names.alpha, 1.0f)
      .set(names.beta, 0.0f)
      .finalize();
  return operation;
}

// y = mode(x, b), in f32; b may be null.
CudnnDescriptor pointwise(cudnnPointwiseMode_t mode, const CudnnDescriptor& x, const CudnnDescriptor* b,
                          const CudnnDescriptor& y) {
  CudnnDescriptor how(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  how.set(CUDNN_ATTR_POINTWISE_MODE, mode).set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT).finalize();
  CudnnDescriptor operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, how)
      .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x)
      .set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
  if (b) operation.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *b);
  operation.finalize();
  return operation;
}

}  // namespace

CudnnDescriptor cudnn_graph_of(const ConvProblem& p) {
  const bool forward = p.pass == ConvPass::kForward, activated = p.act != ActKind::kIdentity;
  const auto type = [&](ConvPass written_by) { return type_of(p.pass == written_by ? p.result : p.type); };
  const Shape weights{p.y.c, p.options.kernel, p.options.kernel, p.x.c / p.options.groups};
  std::int64_t next = kBetween;
  const auto stage = [&](bool last) {
    return last ? tensor(kY, p.y, type(ConvPass::kForward)) : tensor(next++, p.y, CUDNN_DATA_FLOAT, true);
  };
  const CudnnDescriptor x = tensor(kX, p.x, type(ConvPass::kBackwardInput));
  const CudnnDescriptor w = tensor(kW, weights, type(ConvPass::kBackwardWeight));
  CudnnDescriptor y = stage(!forward || (!p.bias && !activated));
  std::vector<CudnnDescriptor> operations;
  operations.push_back(convolution_operation(p, x, w, y));
  if (p.bias) {
    const CudnnDescriptor bias = tensor(kBias, {1, 1, 1, p.y.c}, CUDNN_DATA_FLOAT);
    CudnnDescriptor sum = stage(!activated);
    operations.push_back(pointwise(CUDNN_POINTWISE_ADD, y, &bias, sum));
    y = std::move(sum);
  }
  if (activated) {
    const bool silu = p.act == ActKind::kSilu;
    operations.push_back(
        pointwise(silu ? CUDNN_POINTWISE_SWISH_FWD : CUDNN_POINTWISE_RELU_FWD, y, nullptr, stage(true)));
  }
  CudnnDescriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.set_all(CUDNN_ATTR_OPERATIONGRAPH_OPS, operations);
  return graph;
}

}  // namespace boxcar::kernels
