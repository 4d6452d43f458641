#include "boxcar/nn/autograd/context.h"

namespace boxcar::nn {

void Context::backward() {
  while (!tape_.empty()) {
    const std::unique_ptr<Node> node = std::move(tape_.back());
    tape_.pop_back();
    node->backward(*this);
  }
}

}  // namespace boxcar::nn
