#include "boxcar/kernels/conv/conv_onednn.h"

#include <omp.h>

#include <map>
#include <oneapi/dnnl/dnnl.hpp>
#include <tuple>

#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/common/instruction_set.h"

namespace boxcar::kernels::cpu {
namespace {

using dnnl::memory;

enum class Pass { kForward, kBackwardInput, kBackwardWeight };

// All that a plan depends on: shapes of both sides, types, options.
struct ConvKey {
  Pass pass;
  DType dtype;         // of the activations and their gradients
  DType weight_dtype;  // as the caller holds the weights, or wants their gradient
  DType y_dtype;       // of the forward pass's result
  Shape x, y;
  ConvOptions options;
  bool bias;
  int threads;
  ActKind act = ActKind::kIdentity;  // of the forward pass

  auto tied() const {
    return std::tie(pass, dtype, weight_dtype, y_dtype, x.n, x.h, x.w, x.c, y.h, y.w, y.c, options.kernel,
                    options.stride, options.padding, options.dilation, options.groups, bias, threads, act);
  }
  bool operator<(const ConvKey& other) const { return tied() < other.tied(); }
};

memory::data_type type_of(DType dtype) {
  return dtype == DType::kBF16 ? memory::data_type::bf16 : memory::data_type::f32;
}

memory::desc activations(Shape s, DType dtype) {
  return {{s.n, s.c, s.h, s.w}, type_of(dtype), memory::format_tag::nhwc};
}

memory::dims weight_dims(const ConvKey& key) {
  const int g = key.options.groups, k = key.options.kernel;
  if (g == 1) return {key.y.c, key.x.c, k, k};
  return {g, key.y.c / g, key.x.c / g, k, k};
}

// O,k,k,I as the arena holds them; the group is the slowest part of O.
memory::desc weights_ohwi(const ConvKey& key, DType dtype) {
  const memory::dims dims = weight_dims(key);
  const memory::dim k = key.options.kernel, i = key.x.c / key.options.groups;
  if (key.options.groups == 1) return {dims, type_of(dtype), memory::dims{k * k * i, 1, k * i, i}};
  return {dims, type_of(dtype), memory::dims{dims[1] * k * k * i, k * k * i, 1, k * i, i}};
}

memory::desc weights_any(const ConvKey& key, DType dtype) {
  return {weight_dims(key), type_of(dtype), memory::format_tag::any};
}

memory::desc bias_desc(const ConvKey& key) {
  if (!key.bias) return {};
  return {{key.y.c}, memory::data_type::f32, memory::format_tag::x};
}

struct Geometry {
  memory::dims strides, dilations, padding;
  explicit Geometry(const ConvOptions& o)
      : strides{o.stride, o.stride}, dilations{o.dilation - 1, o.dilation - 1}, padding{o.padding, o.padding} {}
};

constexpr auto kDirect = dnnl::algorithm::convolution_direct;

dnnl::primitive_attr scratch_from_caller(ActKind act = ActKind::kIdentity) {
  dnnl::primitive_attr attr;
  if (act != ActKind::kIdentity) {
    const bool silu = act == ActKind::kSilu;  // oneDNN's swish(x) = x * sigmoid(alpha * x)
    dnnl::post_ops ops;
#if DNNL_VERSION_MAJOR >= 3
    ops.append_eltwise(silu ? dnnl::algorithm::eltwise_swish : dnnl::algorithm::eltwise_relu, silu ? 1.0f : 0.0f, 0.0f);
#else
    ops.append_eltwise(1.0f, silu ? dnnl::algorithm::eltwise_swish : dnnl::algorithm::eltwise_relu, silu ? 1.0f : 0.0f,
                       0.0f);
#endif
    attr.set_post_ops(ops);
  }
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

dnnl::convolution_forward::primitive_desc forward_desc(const ConvKey& key, const dnnl::engine& engine) {
  const Geometry g(key.options);
  const auto x = activations(key.x, key.dtype), w = weights_any(key, key.dtype), y = activations(key.y, key.y_dtype);
#if DNNL_VERSION_MAJOR >= 3
  return {
      engine,    dnnl::prop_kind::forward_training, kDirect, x, w, bias_desc(key), y, g.strides, g.dilations, g.padding,
      g.padding, scratch_from_caller(key.act)};
#else
  const dnnl::convolution_forward::desc desc(dnnl::prop_kind::forward_training, kDirect, x, w, bias_desc(key), y,
                                             g.strides, g.dilations, g.padding, g.padding);
  return {desc, scratch_from_caller(key.act), engine};
#endif
}

dnnl::convolution_backward_data::primitive_desc input_desc(const ConvKey& key, const dnnl::engine& engine) {
  const Geometry g(key.options);
  const auto x = activations(key.x, key.dtype), w = weights_any(key, key.dtype), y = activations(key.y, key.dtype);
  ConvKey forward_key = key;
  forward_key.bias = false;
  const auto hint = forward_desc(forward_key, engine);
#if DNNL_VERSION_MAJOR >= 3
  return {engine, kDirect, x, w, y, g.strides, g.dilations, g.padding, g.padding, hint, scratch_from_caller()};
#else
  const dnnl::convolution_backward_data::desc desc(kDirect, x, w, y, g.strides, g.dilations, g.padding, g.padding);
  return {desc, scratch_from_caller(), engine, hint};
#endif
}

dnnl::convolution_backward_weights::primitive_desc weight_desc(const ConvKey& key, const dnnl::engine& engine) {
  const Geometry g(key.options);
  const auto x = activations(key.x, key.dtype), y = activations(key.y, key.dtype);
  const auto w = weights_any(key, DType::kF32);
  const auto hint = forward_desc(key, engine);
#if DNNL_VERSION_MAJOR >= 3
  return {engine,    kDirect,     x,         w,         bias_desc(key), y,
          g.strides, g.dilations, g.padding, g.padding, hint,           scratch_from_caller()};
#else
  const dnnl::convolution_backward_weights::desc desc(kDirect, x, w, bias_desc(key), y, g.strides, g.dilations,
                                                      g.padding, g.padding);
  return {desc, scratch_from_caller(), engine, hint};
#endif
}

// A convolution ready to run, and how its weights get from or to the arena's order.
struct Plan {
  dnnl::primitive conv;
  dnnl::primitive reorder;      // the arena's weights to the library's, or gradients back
  dnnl::primitive reorder_add;  // gradients back, added
  memory::desc x, y, weights, arena_weights, bias, scratch;
  std::string implementation;
};

dnnl::primitive make_reorder(const memory::desc& from, const memory::desc& to, const dnnl::engine& engine, bool add) {
  dnnl::primitive_attr attr;
  if (add) {
    dnnl::post_ops ops;
    ops.append_sum(1.0f);
    attr.set_post_ops(ops);
  }
  return dnnl::reorder(dnnl::reorder::primitive_desc(engine, from, engine, to, attr));
}

class ConvPlans {
 public:
  explicit ConvPlans(Stream&) : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {}

  const Plan& plan(const ConvKey& key) {
    if (const auto found = plans_.find(key); found != plans_.end()) return found->second;
    try {
      return plans_.emplace(key, make(key)).first->second;
    } catch (const dnnl::error& error) {
      fail<DeviceError>("oneDNN has no {} convolution {} -> {} for this CPU ({}): {}", name_of(key.dtype), key.x.str(),
                        key.y.str(), cpu_instruction_set(), error.what());
    }
  }

  memory at(const memory::desc& desc, void* data) { return {desc, engine_, data}; }
  void run(const dnnl::primitive& primitive, const std::unordered_map<int, memory>& args) {
    primitive.execute(stream_, args);
    stream_.wait();
  }

  std::vector<std::string> implementations() const {
    std::vector<std::string> names;
    for (const auto& [key, plan] : plans_) names.push_back(plan.implementation);
    return names;
  }

 private:
  Plan make(const ConvKey& key) {
    switch (key.pass) {
      case Pass::kForward: {
        const auto pd = forward_desc(key, engine_);
        return finish(key, "forward", dnnl::convolution_forward(pd), pd, pd.src_desc(), pd.dst_desc(),
                      pd.weights_desc());
      }
      case Pass::kBackwardInput: {
        const auto pd = input_desc(key, engine_);
        return finish(key, "backward_input", dnnl::convolution_backward_data(pd), pd, pd.diff_src_desc(),
                      pd.diff_dst_desc(), pd.weights_desc());
      }
      case Pass::kBackwardWeight:
        break;
    }
    const auto pd = weight_desc(key, engine_);
    Plan plan = finish(key, "backward_weight", dnnl::convolution_backward_weights(pd), pd, pd.src_desc(),
                       pd.diff_dst_desc(), pd.diff_weights_desc());
    plan.reorder = make_reorder(plan.weights, plan.arena_weights, engine_, false);
    plan.reorder_add = make_reorder(plan.weights, plan.arena_weights, engine_, true);
    return plan;
  }

  template <class Desc>
  Plan finish(const ConvKey& key, const char* pass, dnnl::primitive conv, const Desc& pd, memory::desc x,
              memory::desc y, memory::desc weights) {
    Plan plan;
    plan.conv = std::move(conv);
    plan.x = x;
    plan.y = y;
    plan.weights = weights;
    plan.arena_weights = weights_ohwi(key, key.weight_dtype);
    plan.bias = bias_desc(key);
    plan.scratch = pd.scratchpad_desc();
    plan.implementation =
        fmt::format("{} {} {} -> {} kernel {} stride {} padding {} dilation {} groups {}: {}", pass, name_of(key.dtype),
                    key.x.str(), key.y.str(), key.options.kernel, key.options.stride, key.options.padding,
                    key.options.dilation, key.options.groups, pd.impl_info_str());
    plan.reorder = make_reorder(plan.arena_weights, plan.weights, engine_, false);
    return plan;
  }

  dnnl::engine engine_;
  dnnl::stream stream_;
  std::map<ConvKey, Plan> plans_;
};

// Memory for the library's own order of the weights and for its scratchpad.
Tensor scratch_bytes(Stream& stream, std::size_t bytes) {
  return Tensor::empty(stream, {1, 1, 1, static_cast<int>((bytes + 3) / 4)});
}

ConvPlans& plans_of(Stream& stream) {
  omp_set_num_threads(stream.threads());  // of this thread's later parallel regions, the library's included
  return stream.resource<ConvPlans>();
}

// The weights in the library's order: the arena's own memory where the orders agree.
struct LibraryWeights {
  Tensor storage;
  void* data;
};

LibraryWeights reordered_weights(Stream& stream, ConvPlans& plans, const Plan& plan, const TensorView& w) {
  if (plan.weights == plan.arena_weights) return {{}, w.data};
  LibraryWeights weights{scratch_bytes(stream, plan.weights.get_size()), nullptr};
  weights.data = weights.storage.view().data;
  plans.run(plan.reorder, {{DNNL_ARG_FROM, plans.at(plan.arena_weights, w.data)},
                           {DNNL_ARG_TO, plans.at(plan.weights, weights.data)}});
  return weights;
}

// Library orders of one convolution's weights; image sizes that want the same order share it.
using KeptOrders = std::vector<std::pair<memory::desc, LibraryWeights>>;

LibraryWeights cached_weights(Stream& stream, ConvPlans& plans, const Plan& plan, const ConvForwardArgs& args) {
  if (!args.cache) return reordered_weights(stream, plans, plan, args.w);
  if (!args.cache->orders) args.cache->orders = std::make_shared<KeptOrders>();
  auto& orders = *static_cast<KeptOrders*>(args.cache->orders.get());
  for (const auto& [desc, weights] : orders) {
    if (desc == plan.weights) return weights;
  }
  return orders.emplace_back(plan.weights, reordered_weights(stream, plans, plan, args.w)).second;
}

}  // namespace

void onednn_conv_forward(Stream& stream, const ConvForwardArgs& args) {
  ConvPlans& plans = plans_of(stream);
  const Plan& plan = plans.plan({Pass::kForward, args.x.dtype, args.w.dtype, args.y.dtype, args.x.shape(),
                                 args.y.shape(), args.options, args.bias != nullptr, stream.threads(), args.act.kind});
  const LibraryWeights weights = cached_weights(stream, plans, plan, args);
  const Tensor scratch = scratch_bytes(stream, plan.scratch.get_size());
  std::unordered_map<int, memory> run_args{{DNNL_ARG_SRC, plans.at(plan.x, args.x.data)},
                                           {DNNL_ARG_WEIGHTS, plans.at(plan.weights, weights.data)},
                                           {DNNL_ARG_DST, plans.at(plan.y, args.y.data)},
                                           {DNNL_ARG_SCRATCHPAD, plans.at(plan.scratch, scratch.view().data)}};
  if (args.bias) run_args.emplace(DNNL_ARG_BIAS, plans.at(plan.bias, const_cast<float*>(args.bias)));
  plans.run(plan.conv, run_args);
}

void onednn_conv_backward_input(Stream& stream, const ConvBackwardInputArgs& args) {
  ConvPlans& plans = plans_of(stream);
  const Plan& plan = plans.plan({Pass::kBackwardInput, args.dy.dtype, args.w.dtype, args.dy.dtype, args.dx.shape(),
                                 args.dy.shape(), args.options, false, stream.threads()});
  const LibraryWeights weights = reordered_weights(stream, plans, plan, args.w);
  const Tensor scratch = scratch_bytes(stream, plan.scratch.get_size());
  plans.run(plan.conv, {{DNNL_ARG_DIFF_DST, plans.at(plan.y, args.dy.data)},
                        {DNNL_ARG_WEIGHTS, plans.at(plan.weights, weights.data)},
                        {DNNL_ARG_DIFF_SRC, plans.at(plan.x, args.dx.data)},
                        {DNNL_ARG_SCRATCHPAD, plans.at(plan.scratch, scratch.view().data)}});
}

void onednn_conv_backward_weight(Stream& stream, const ConvBackwardWeightArgs& args) {
  ConvPlans& plans = plans_of(stream);
  const Plan& plan = plans.plan({Pass::kBackwardWeight, args.x.dtype, args.dw.dtype, args.dy.dtype, args.x.shape(),
                                 args.dy.shape(), args.options, args.dbias != nullptr, stream.threads()});
  const bool add = args.mode == GradMode::kAdd;
  const bool direct = plan.weights == plan.arena_weights && !add;
  const Tensor storage = direct ? Tensor() : scratch_bytes(stream, plan.weights.get_size());
  void* const dw = direct ? args.dw.data : storage.view().data;
  const Tensor dbias = args.dbias ? Tensor::empty(stream, {1, 1, 1, args.dy.c}) : Tensor();
  const Tensor scratch = scratch_bytes(stream, plan.scratch.get_size());
  std::unordered_map<int, memory> run_args{{DNNL_ARG_SRC, plans.at(plan.x, args.x.data)},
                                           {DNNL_ARG_DIFF_DST, plans.at(plan.y, args.dy.data)},
                                           {DNNL_ARG_DIFF_WEIGHTS, plans.at(plan.weights, dw)},
                                           {DNNL_ARG_SCRATCHPAD, plans.at(plan.scratch, scratch.view().data)}};
  if (args.dbias) run_args.emplace(DNNL_ARG_DIFF_BIAS, plans.at(plan.bias, dbias.view().data));
  plans.run(plan.conv, run_args);
  if (!direct) {
    plans.run(add ? plan.reorder_add : plan.reorder,
              {{DNNL_ARG_FROM, plans.at(plan.weights, dw)}, {DNNL_ARG_TO, plans.at(plan.arena_weights, args.dw.data)}});
  }
  for (int c = 0; args.dbias && c < args.dy.c; ++c) {
    args.dbias[c] = (add ? args.dbias[c] : 0.0f) + dbias.as()[c];
  }
}

std::vector<std::string> conv_implementations(Stream& stream) { return stream.resource<ConvPlans>().implementations(); }

}  // namespace boxcar::kernels::cpu
