#include "boxcar/nn/modules/c3.h"

#include "boxcar/nn/autograd/ops/structure.h"

namespace boxcar::nn {

C3::C3(Module* parent, std::string name, int in, int out, C3Settings s)
    : Layer(parent, std::move(name)),
      hidden_(static_cast<int>(out * s.expansion)),
      cv1_(this, "cv1", in, hidden_, {.act = s.act}),
      cv2_(this, "cv2", in, hidden_, {.act = s.act}),
      cv3_(this, "cv3", 2 * hidden_, out, {.act = s.act}) {
  for (int j = 0; j < s.n; ++j) {
    m_.push_back(
        std::make_unique<Bottleneck>(this, "m." + std::to_string(j), hidden_, hidden_,
                                     BottleneckSettings{s.shortcut, s.groups, s.kernel1, s.kernel2, 1.0, s.act}));
  }
}

Value C3::forward(Context& context, std::span<const Value> inputs, std::span<const Place> places) {
  const Wide wide(2 * hidden_);
  Value y = cv1_.forward(context, inputs, {});
  for (std::size_t j = 0; j < m_.size(); ++j) {
    Places where;
    if (j + 1 == m_.size()) where.push_back({wide, 0, {0, hidden_}});
    y = m_[j]->forward(context, {&y, 1}, where);
  }
  const Place second{wide, hidden_, {0, hidden_}};
  const Value parts[] = {y, cv2_.forward(context, inputs, {&second, 1})};
  return cv3_.forward(context, concat(context, parts), {}, places);
}

bool C3::takes_parts(std::span<const int> channels) const {
  return cv1_.takes_parts(channels) && cv2_.takes_parts(channels);
}

}  // namespace boxcar::nn
