#include "boxcar/nn/model/build_layer.h"

#include "boxcar/nn/modules/c2f.h"
#include "boxcar/nn/modules/c3.h"
#include "boxcar/nn/modules/plain_layers.h"
#include "boxcar/nn/modules/psa.h"
#include "boxcar/nn/modules/spp.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace {

using LayerPtr = std::unique_ptr<nn::Layer>;

struct Builder {
  nn::Module* parent;
  std::string name;
  const LayerSpec& row;
  kernels::Act act;

  LayerPtr operator()(const ConvSpec& s) const {
    return std::make_unique<nn::ConvBnAct>(
        parent, name, s.c1, s.c2, nn::ConvSettings{s.kernel, s.stride, s.padding, s.groups, s.dilation, s.act});
  }
  LayerPtr operator()(const BottleneckSpec& s) const {
    return std::make_unique<nn::Bottleneck>(
        parent, name, s.c1, s.c2, nn::BottleneckSettings{s.shortcut, s.groups, s.kernels[0], s.kernels[1], s.e, act});
  }
  LayerPtr operator()(const C2fSpec& s) const {
    return std::make_unique<nn::C2f>(parent, name, s.c1, s.c2, nn::C2fSettings{s.n, s.shortcut, s.groups, s.e, act});
  }
  LayerPtr operator()(const C3Spec& s) const {
    return std::make_unique<nn::C3>(parent, name, s.c1, s.c2,
                                    nn::C3Settings{s.n, s.shortcut, s.groups, s.e, 1, 3, act});
  }
  LayerPtr operator()(const C3k2Spec& s) const {
    return std::make_unique<nn::C3k2>(parent, name, s.c1, s.c2,
                                      nn::C3k2Settings{s.n, s.c3k, s.e, s.attn, s.groups, s.shortcut, act});
  }
  LayerPtr operator()(const SppSpec& s) const {
    return std::make_unique<nn::Spp>(parent, name, s.c1, s.c2, s.kernels, act);
  }
  LayerPtr operator()(const SppfSpec& s) const {
    return std::make_unique<nn::Sppf>(parent, name, s.c1, s.c2,
                                      nn::SppfSettings{s.kernel, s.n, s.shortcut, s.cv1_act, act});
  }
  LayerPtr operator()(const C2psaSpec& s) const {
    const nn::C2psaSettings settings{s.n, s.e, act};
    if (row.module == "C2fPSA") return std::make_unique<nn::C2fPsa>(parent, name, s.c, settings);
    return std::make_unique<nn::C2psa>(parent, name, s.c, settings);
  }
  LayerPtr operator()(const PsaSpec& s) const { return std::make_unique<nn::Psa>(parent, name, s.c, s.e, act); }
  LayerPtr operator()(const UpsampleSpec& s) const { return std::make_unique<nn::Upsample>(parent, name, s.factor); }
  LayerPtr operator()(const MaxPoolSpec& s) const {
    return std::make_unique<nn::MaxPool>(parent, name, kernels::PoolOptions{s.kernel, s.stride, s.padding});
  }
  LayerPtr operator()(const IdentitySpec&) const { return std::make_unique<nn::Identity>(parent, name); }
  LayerPtr operator()(const ConcatSpec&) const { return std::make_unique<nn::Concat>(parent, name); }
  LayerPtr operator()(const RegisteredSpec& s) const { return s.make(parent, name); }
  LayerPtr operator()(const DetectSpec&) const { fail<ModelError>("row {}: the head must be the last row", row.index); }
};

}  // namespace

LayerPtr build_layer(nn::Module* parent, const std::string& name, const LayerSpec& row, kernels::Act act) {
  if (row.copies == 1) return std::visit(Builder{parent, name, row, act}, row.spec);
  auto sequence = std::make_unique<nn::Sequence>(parent, name);
  for (int i = 0; i < row.copies; ++i) {
    sequence->append(std::visit(Builder{sequence.get(), std::to_string(i), row, act}, row.spec));
  }
  return sequence;
}

}  // namespace boxcar
