#include "boxcar/data/loader/batch_order.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "boxcar/runtime/random/philox.h"

namespace boxcar {
namespace {

/// Height and width as fractions of imgsz that hold all aspects (height / width) from lo to hi.
std::pair<double, double> enclosing_shape(double lo, double hi) {
  if (hi < 1) return {hi, 1};
  if (lo > 1) return {1, 1 / lo};
  return {1, 1};
}

int rounded_up(double fraction, int imgsz, int stride, double pad) {
  return static_cast<int>(std::ceil(fraction * imgsz / stride + pad)) * stride;
}

}  // namespace

std::vector<BatchPlan> rect_batches(std::span<const Dataset::Size> sizes, int batch, int imgsz, int stride,
                                    double pad) {
  const auto aspect = [&](std::size_t i) { return static_cast<double>(sizes[i].height) / sizes[i].width; };
  std::vector<std::size_t> order(sizes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, aspect);
  std::vector<BatchPlan> batches = split_batches(order, batch, {});
  for (BatchPlan& plan : batches) {
    const auto [h, w] = enclosing_shape(aspect(plan.indices.front()), aspect(plan.indices.back()));
    plan.shape = {rounded_up(h, imgsz, stride, pad), rounded_up(w, imgsz, stride, pad)};
  }
  return batches;
}

std::vector<std::size_t> shuffled(std::size_t count, std::uint64_t seed, int epoch) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  Random random(seed ^ hash_name("shuffle"), static_cast<std::uint64_t>(epoch));
  for (std::size_t i = count; i > 1; --i) {  // Fisher and Yates
    std::swap(order[i - 1], order[random.below(static_cast<std::uint32_t>(i))]);
  }
  return order;
}

std::vector<BatchPlan> split_batches(std::span<const std::size_t> indices, int batch, ResizedSize shape) {
  std::vector<BatchPlan> batches;
  for (std::size_t first = 0; first < indices.size(); first += batch) {
    const auto part = indices.subspan(first, std::min<std::size_t>(batch, indices.size() - first));
    batches.push_back({{part.begin(), part.end()}, shape});
  }
  return batches;
}

std::vector<std::size_t> shard(std::span<const std::size_t> indices, int rank, int ranks) {
  std::vector<std::size_t> mine;
  const std::size_t each = (indices.size() + ranks - 1) / ranks;
  for (std::size_t i = 0; i < each; ++i) mine.push_back(indices[(i * ranks + rank) % indices.size()]);
  return mine;
}

std::vector<BatchPlan> shard_batches(std::span<const BatchPlan> batches, int rank, int ranks) {
  const std::size_t each = batches.size() / ranks, more = batches.size() % ranks, r = rank;
  const std::size_t first = r * each + std::min(r, more);
  const auto mine = batches.subspan(first, each + (r < more));
  return {mine.begin(), mine.end()};
}

Partners::Partners(std::size_t count, std::uint64_t seed, int epoch, std::size_t most)
    : count_(count), most_(std::min(count, most)) {
  line_ = shuffled(count, seed, epoch);
  if (most_ == count_) return;
  const std::vector<std::size_t> before = shuffled(count, seed, epoch - 1);
  line_.insert(line_.begin(), before.end() - static_cast<std::ptrdiff_t>(most_), before.end());
}

std::span<const std::size_t> Partners::of(std::size_t position) const {
  if (most_ == count_) return line_;
  return std::span(line_).subspan(position % count_ + 1, most_);
}

}  // namespace boxcar
