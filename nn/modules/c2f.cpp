#include "boxcar/nn/modules/c2f.h"

#include "boxcar/nn/autograd/ops/structure.h"
#include "boxcar/nn/modules/c3.h"
#include "boxcar/nn/modules/psa.h"

namespace boxcar::nn {
namespace {

// m.j.0 = Bottleneck, m.j.1 = PSABlock.
class BottleneckPsa : public Layer {
 public:
  BottleneckPsa(Module* parent, std::string name, int channels, const C3k2Settings& s)
      : Layer(parent, std::move(name)),
        bottleneck_(this, "0", channels, channels, {.shortcut = s.shortcut, .groups = s.groups, .act = s.act}),
        psa_(this, "1", channels, {.heads = attention_heads(channels), .act = s.act}) {}
  Value forward(Context& context, std::span<const Value> inputs, std::span<const Place> places) override {
    const Value y = bottleneck_.forward(context, inputs, {});
    return psa_.forward(context, {&y, 1}, places);
  }

 private:
  Bottleneck bottleneck_;
  PsaBlock psa_;
};

}  // namespace

SplitChain::SplitChain(Module* parent, std::string name, int in, int out, int n, double expansion, Act act)
    : Layer(parent, std::move(name)),
      hidden_(static_cast<int>(out * expansion)),
      cv1_(this, "cv1", in, 2 * hidden_, {.act = act}),
      cv2_(this, "cv2", (2 + n) * hidden_, out, {.act = act}) {}

Value SplitChain::forward(Context& context, std::span<const Value> inputs, std::span<const Place> places) {
  const int c = hidden_, n = static_cast<int>(m_.size());
  const Wide wide((2 + n) * c);
  // Both halves lie in the wide buffer; the second also packed, as the first branch's convolution reads it.
  const Place halves[] = {{wide, 0, {0, 2 * c}}, {{}, 0, {c, c}}};
  const Value split = cv1_.forward(context, inputs, halves);
  std::vector<Value> parts{split};
  Value y = channels(split, {c, c});
  for (int j = 0; j < n; ++j) {
    Places where{{wide, (2 + j) * c, {0, c}}};
    if (j + 1 < n) where.push_back({{}, 0, {0, c}});
    y = m_[static_cast<std::size_t>(j)]->forward(context, {&y, 1}, where);
    parts.push_back(y);
  }
  return cv2_.forward(context, concat(context, parts), {}, places);
}

// The halves of cv1's result are to be whole sixteens of channels as well.
bool SplitChain::takes_parts(std::span<const int> channels) const {
  return hidden_ % 16 == 0 && cv1_.takes_parts(channels);
}

C2f::C2f(Module* parent, std::string name, int in, int out, C2fSettings s)
    : SplitChain(parent, std::move(name), in, out, s.n, s.expansion, s.act) {
  for (int j = 0; j < s.n; ++j) {
    add_branch(std::make_unique<Bottleneck>(this, branch_name(j), hidden(), hidden(),
                                            BottleneckSettings{s.shortcut, s.groups, 3, 3, 1.0, s.act}));
  }
}

C3k2::C3k2(Module* parent, std::string name, int in, int out, C3k2Settings s)
    : SplitChain(parent, std::move(name), in, out, s.n, s.expansion, s.act) {
  const int c = hidden();
  for (int j = 0; j < s.n; ++j) {
    if (s.attention) {
      add_branch(std::make_unique<BottleneckPsa>(this, branch_name(j), c, s));
    } else if (s.c3k) {
      add_branch(
          std::make_unique<C3>(this, branch_name(j), c, c, C3Settings{2, s.shortcut, s.groups, 0.5, 3, 3, s.act}));
    } else {
      add_branch(std::make_unique<Bottleneck>(
          this, branch_name(j), c, c, BottleneckSettings{.shortcut = s.shortcut, .groups = s.groups, .act = s.act}));
    }
  }
}

}  // namespace boxcar::nn
