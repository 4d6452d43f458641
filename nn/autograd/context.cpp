#include "boxcar/nn/autograd/context.h"

#include <algorithm>
#include <functional>

#include "boxcar/kernels/common/copy.h"
#include "boxcar/nn/autograd/parameter.h"

namespace boxcar::nn {

void Context::backward() {
  while (!tape_.empty()) {
    const std::unique_ptr<Node> node = std::move(tape_.back());
    tape_.pop_back();
    node->backward(*this);
  }
}

// A dry run stands for a GPU.
std::optional<TensorView> Context::rounded(const Parameter& p) {
  if (activations_ != DType::kBF16 || !(stream_.device().is_cuda() || stream_.dry_run())) return {};
  const float *first = p.arena.as(), *at = p.value.as();
  if (!first || std::less()(at, first) || !std::less()(at, first + p.arena.count())) return {};
  auto found = std::ranges::find(rounded_, first, [](const RoundedArena& r) { return r.values.as(); });
  if (found == rounded_.end()) {
    const Tensor copy = Tensor::empty(stream_, p.arena.shape(), DType::kBF16);
    kernels::copy(stream_, {p.arena, copy});
    found = rounded_.insert(rounded_.end(), {p.arena, copy});
  }
  const TensorView& value = p.value.view();
  return TensorView{
      found->copy.as<bfloat16>() + (at - first), DType::kBF16, value.n, value.h, value.w, value.c, value.ld};
}

std::size_t Context::rounded_bytes() const {
  std::int64_t values = 0;
  for (const RoundedArena& arena : rounded_) values += arena.copy.count();
  return static_cast<std::size_t>(values) * sizeof(bfloat16);
}

}  // namespace boxcar::nn
