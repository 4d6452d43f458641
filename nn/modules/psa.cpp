#include "boxcar/nn/modules/psa.h"

#include "boxcar/nn/autograd/ops/structure.h"

namespace boxcar::nn {
namespace {

std::optional<Value> residual_if(bool on, const Value& x) { return on ? std::optional<Value>(x) : std::nullopt; }

// The first half in the wide buffer, the second packed: the attention's convolutions read it.
Value split_halves(Context& context, ConvBnAct& cv1, const Value& x, const Wide& wide, int hidden) {
  const Place halves[] = {{wide, 0, {0, hidden}}, {{}, 0, {hidden, hidden}}};
  return cv1.forward(context, x, {}, halves);
}

Value joined(Context& context, ConvBnAct& cv2, const Value& split, const Value& b, int hidden,
             std::span<const Place> places) {
  const Value parts[] = {channels(split, {0, hidden}), b};
  return cv2.forward(context, concat(context, parts), {}, places);
}

kernels::AttentionShape attention_shape(int channels, int heads, double ratio) {
  const int head_dim = channels / heads;
  return {heads, static_cast<int>(head_dim * ratio), head_dim};
}

}  // namespace

Attention::Attention(Module* parent, std::string name, int channels, int heads, double ratio)
    : Layer(parent, std::move(name)),
      shape_(attention_shape(channels, heads, ratio)),
      qkv_(this, "qkv", channels, channels + 2 * shape_.key_dim * heads, {.act = kNoAct}),
      proj_(this, "proj", channels, channels, {.act = kNoAct}),
      pe_(this, "pe", channels, channels, {.kernel = 3, .groups = channels, .act = kNoAct}) {}

Value Attention::forward(Context& context, std::span<const Value> inputs, std::span<const Place>) {
  return forward(context, inputs[0], {});
}

Value Attention::forward(Context& context, const Value& x, const std::optional<Value>& residual) {
  const AttentionOutput out = attention(context, qkv_.forward(context, x), shape_);
  return proj_.forward(context, pe_.forward(context, out.v, out.o), residual);
}

PsaBlock::PsaBlock(Module* parent, std::string name, int channels, PsaBlockSettings s)
    : Layer(parent, std::move(name)),
      add_(s.shortcut),
      attn_(this, "attn", channels, s.heads, s.ratio),
      ffn0_(this, "ffn.0", channels, 2 * channels, {.act = s.act}),
      ffn1_(this, "ffn.1", 2 * channels, channels, {.act = kNoAct}) {}

Value PsaBlock::forward(Context& context, std::span<const Value> inputs, std::span<const Place> places) {
  const Value x = attn_.forward(context, inputs[0], residual_if(add_, inputs[0]));
  return ffn1_.forward(context, ffn0_.forward(context, x), residual_if(add_, x), places);
}

C2psa::C2psa(Module* parent, std::string name, int channels, C2psaSettings s)
    : Layer(parent, std::move(name)),
      hidden_(static_cast<int>(channels * s.expansion)),
      cv1_(this, "cv1", channels, 2 * hidden_, {.act = s.act}),
      cv2_(this, "cv2", 2 * hidden_, channels, {.act = s.act}) {
  for (int j = 0; j < s.n; ++j) {
    m_.push_back(std::make_unique<PsaBlock>(this, "m." + std::to_string(j), hidden_,
                                            PsaBlockSettings{.heads = attention_heads(hidden_), .act = s.act}));
  }
}

Value C2psa::forward(Context& context, std::span<const Value> inputs, std::span<const Place> places) {
  const Wide wide(2 * hidden_);
  const Value split = split_halves(context, cv1_, inputs[0], wide, hidden_);
  Value b = channels(split, {hidden_, hidden_});
  for (std::size_t j = 0; j < m_.size(); ++j) {
    Places where;
    if (j + 1 == m_.size()) where.push_back({wide, hidden_, {0, hidden_}});
    b = m_[j]->forward(context, {&b, 1}, where);
  }
  return joined(context, cv2_, split, b, hidden_, places);
}

Psa::Psa(Module* parent, std::string name, int channels, double expansion, Act act)
    : Layer(parent, std::move(name)),
      hidden_(static_cast<int>(channels * expansion)),
      cv1_(this, "cv1", channels, 2 * hidden_, {.act = act}),
      cv2_(this, "cv2", 2 * hidden_, channels, {.act = act}),
      attn_(this, "attn", hidden_, attention_heads(hidden_)),
      ffn0_(this, "ffn.0", hidden_, 2 * hidden_, {.act = act}),
      ffn1_(this, "ffn.1", 2 * hidden_, hidden_, {.act = kNoAct}) {}

Value Psa::forward(Context& context, std::span<const Value> inputs, std::span<const Place> places) {
  const Wide wide(2 * hidden_);
  const Value split = split_halves(context, cv1_, inputs[0], wide, hidden_);
  const Value b0 = channels(split, {hidden_, hidden_});
  const Value b1 = attn_.forward(context, b0, b0);
  const Place place{wide, hidden_, {0, hidden_}};
  const Value b2 = ffn1_.forward(context, ffn0_.forward(context, b1), b1, {&place, 1});
  return joined(context, cv2_, split, b2, hidden_, places);
}

C2fPsa::C2fPsa(Module* parent, std::string name, int channels, C2psaSettings s)
    : SplitChain(parent, std::move(name), channels, channels, s.n, s.expansion, s.act) {
  for (int j = 0; j < s.n; ++j) {
    add_branch(std::make_unique<PsaBlock>(this, branch_name(j), hidden(),
                                          PsaBlockSettings{.heads = attention_heads(hidden()), .act = s.act}));
  }
}

}  // namespace boxcar::nn
