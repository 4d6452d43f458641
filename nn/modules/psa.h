// Blocks with self-attention over pixels: Attention, PSABlock, PSA, C2PSA, C2fPSA.
#pragma once

#include "boxcar/nn/autograd/ops/attention.h"
#include "boxcar/nn/modules/c2f.h"
#include "boxcar/nn/modules/conv.h"

namespace boxcar::nn {

/// Heads of the attention in C2PSA, C2fPSA, PSA and C3k2: one for each 64 channels.
inline int attention_heads(int channels) { return channels / 64 > 1 ? channels / 64 : 1; }

/// proj(o + pe(v)) with o = attention of qkv(x); pe, a depthwise convolution of the values, encodes
/// positions. Children qkv, proj, pe.
class Attention : public Layer {
 public:
  Attention(Module* parent, std::string name, int channels, int heads, double ratio = 0.5);
  Value forward(Context& context, std::span<const Value> inputs, std::span<const Place> places) override;
  Value forward(Context& context, const Value& x, const std::optional<Value>& residual);

 private:
  kernels::AttentionShape shape_;
  ConvBnAct qkv_, proj_, pe_;
};

struct PsaBlockSettings {
  int heads = 4;
  double ratio = 0.5;
  bool shortcut = true;
  Act act = kSilu;
};

/// x + attn(x), then x + ffn(x). Children attn, ffn.0, ffn.1.
class PsaBlock : public Layer {
 public:
  PsaBlock(Module* parent, std::string name, int channels, PsaBlockSettings settings = {});
  Value forward(Context& context, std::span<const Value> inputs, std::span<const Place> places) override;

 private:
  bool add_;
  Attention attn_;
  ConvBnAct ffn0_, ffn1_;
};

struct C2psaSettings {
  int n = 1;
  double expansion = 0.5;
  Act act = kSilu;
};

/// a, b = halves of cv1(x); cv2([a, m(b)]), m a sequence of PSABlocks. Children cv1, cv2, m.0, ...
class C2psa : public Layer {
 public:
  C2psa(Module* parent, std::string name, int channels, C2psaSettings settings = {});
  Value forward(Context& context, std::span<const Value> inputs, std::span<const Place> places) override;

 private:
  int hidden_;
  ConvBnAct cv1_, cv2_;
  std::vector<std::unique_ptr<PsaBlock>> m_;
};

/// C2PSA with one block whose parts are children of its own: cv1, cv2, attn, ffn.0, ffn.1 (YOLOv10).
class Psa : public Layer {
 public:
  Psa(Module* parent, std::string name, int channels, double expansion = 0.5, Act act = kSilu);
  Value forward(Context& context, std::span<const Value> inputs, std::span<const Place> places) override;

 private:
  int hidden_;
  ConvBnAct cv1_, cv2_;
  Attention attn_;
  ConvBnAct ffn0_, ffn1_;
};

/// C2f whose branches are PSABlocks.
class C2fPsa : public SplitChain {
 public:
  C2fPsa(Module* parent, std::string name, int channels, C2psaSettings settings = {});
};

}  // namespace boxcar::nn
