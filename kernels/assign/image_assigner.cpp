#include "boxcar/kernels/assign/image_assigner.h"

#include <algorithm>
#include <utility>

namespace boxcar::kernels {
namespace {

/// An anchor in the hands of a ground truth.
struct Claim {
  std::int64_t anchor = 0;
  int gt = 0;
  float metric = 0.0f;
  float overlap = 0.0f;
};

using Claims = std::pmr::vector<Claim>;

class ImageAssigner {
 public:
  ImageAssigner(const AnchorGrid& grid, std::span<const GroundTruth> truths, PredictionAt prediction,
                std::pmr::memory_resource* memory)
      : grid_(grid), truths_(truths), prediction_(prediction), memory_(memory), regions_(memory) {
    regions_.reserve(truths.size());
    for (const GroundTruth& truth : truths) regions_.push_back(widened(truth.box, grid.min_side()));
  }

  void pick(int gt, int topk, Claims& claims) const;
  Claims settle(Claims claims) const;

 private:
  bool contains(int gt, std::int64_t anchor) const;
  Claim measure(int gt, std::int64_t anchor) const;
  Claims best(int gt, int topk) const;
  Claim winner(std::int64_t anchor) const;

  const AnchorGrid& grid_;
  std::span<const GroundTruth> truths_;
  PredictionAt prediction_;
  std::pmr::memory_resource* memory_;
  std::pmr::vector<BoxF> regions_;
};

bool ImageAssigner::contains(int gt, std::int64_t anchor) const {
  const AnchorPoint p = grid_.point(anchor);
  return truths_[gt].valid() && inside(regions_[gt], p.x * p.stride, p.y * p.stride);
}

Claim ImageAssigner::measure(int gt, std::int64_t anchor) const {
  const AnchorPrediction p = prediction_(anchor, truths_[gt].label);
  const Alignment fit = alignment_of(truths_[gt], p);
  return {anchor, gt, fit.metric, fit.overlap};
}

/// Keeps `best` sorted by falling metric. Comes after its equals, so the lowest anchor stays in front.
void insert_if_better(Claims& best, std::size_t capacity, const Claim& claim) {
  if (!ranks_above(claim.metric, best.size() == capacity ? best.back().metric : 0.0f)) return;
  const auto at =
      std::find_if(best.begin(), best.end(), [&](const Claim& c) { return ranks_above(claim.metric, c.metric); });
  best.insert(at, claim);
  if (best.size() > capacity) best.pop_back();
}

/// The topk anchors inside whose metric is positive.
Claims ImageAssigner::best(int gt, int topk) const {
  Claims found(memory_);
  found.reserve(static_cast<std::size_t>(topk) + 1);
  const BoxF& region = regions_[gt];
  for (const AnchorLevel& level : grid_.levels()) {
    const auto [y_begin, y_end] = cell_range(region.y1, region.y2, level.stride, level.h);
    const auto [x_begin, x_end] = cell_range(region.x1, region.x2, level.stride, level.w);
    for (int y = y_begin; y < y_end; ++y) {
      for (int x = x_begin; x < x_end; ++x) {
        if (!inside(region, (float(x) + 0.5f) * level.stride, (float(y) + 0.5f) * level.stride)) continue;
        insert_if_better(found, static_cast<std::size_t>(topk),
                         measure(gt, level.first + std::int64_t{y} * level.w + x));
      }
    }
  }
  return found;
}

/// Calls use(anchor) for the zero-metric anchors that fill a list of k places already holding `taken`: the
/// lowest of all anchors, wherever they lie.
template <class F>
void for_each_filler(const Claims& taken, std::int64_t k, std::int64_t anchors, F&& use) {
  std::int64_t open = k - static_cast<std::int64_t>(taken.size());
  for (std::int64_t a = 0; a < anchors && open > 0; ++a) {
    if (std::any_of(taken.begin(), taken.end(), [&](const Claim& c) { return c.anchor == a; })) continue;
    --open;
    use(a);
  }
}

/// Adds what ground truth `gt` claims: its best anchors, and of the fillers those that lie inside.
void ImageAssigner::pick(int gt, int topk, Claims& claims) const {
  if (!truths_[gt].valid()) return;
  const Claims found = best(gt, topk);
  claims.insert(claims.end(), found.begin(), found.end());
  for_each_filler(found, topk, grid_.count(), [&](std::int64_t a) {
    if (contains(gt, a)) claims.push_back(measure(gt, a));
  });
}

/// Who gets a contested anchor: the largest overlap among all ground truths that contain it, claimants or not;
/// the first ground truth, with metric 0, where nobody overlaps at all.
Claim ImageAssigner::winner(std::int64_t anchor) const {
  Claim best{anchor, 0, 0.0f, 0.0f};
  for (int g = 0; g < static_cast<int>(truths_.size()); ++g) {
    if (!contains(g, anchor)) continue;
    const Claim claim = measure(g, anchor);
    if (ranks_above(claim.overlap, best.overlap)) best = claim;
  }
  return best;
}

/// One claim an anchor, in ascending order of anchors.
Claims ImageAssigner::settle(Claims claims) const {
  std::sort(claims.begin(), claims.end(),
            [](const Claim& a, const Claim& b) { return std::pair(a.anchor, a.gt) < std::pair(b.anchor, b.gt); });
  Claims held(memory_);
  held.reserve(claims.size());
  for (std::size_t i = 0; i < claims.size();) {
    std::size_t end = i + 1;
    while (end < claims.size() && claims[end].anchor == claims[i].anchor) ++end;
    held.push_back(end == i + 1 ? claims[i] : winner(claims[i].anchor));
    i = end;
  }
  return held;
}

/// Leaves every ground truth its topk2 largest metrics. Places that no positive metric fills go to the lowest
/// zero-metric anchors of all, as in the first cut, and so to a held one only if it is among those.
Claims keep_best(const Claims& held, int truths, int topk2, std::int64_t anchors) {
  std::pmr::memory_resource* const memory = held.get_allocator().resource();
  std::pmr::vector<Claims> per_truth(static_cast<std::size_t>(truths), memory);
  for (const Claim& claim : held) per_truth[claim.gt].push_back(claim);
  Claims kept(memory);
  for (const auto& claims : per_truth) {
    Claims top(memory);
    for (const Claim& claim : claims) insert_if_better(top, static_cast<std::size_t>(topk2), claim);
    kept.insert(kept.end(), top.begin(), top.end());
    for_each_filler(top, topk2, anchors, [&](std::int64_t a) {
      const auto at = std::find_if(claims.begin(), claims.end(), [&](const Claim& c) { return c.anchor == a; });
      if (at != claims.end()) kept.push_back(*at);
    });
  }
  std::sort(kept.begin(), kept.end(), [](const Claim& a, const Claim& b) { return a.anchor < b.anchor; });
  return kept;
}

/// metric * (largest overlap of the ground truth) / (its largest metric), over what it holds.
std::pmr::vector<AnchorMatch> scored(const Claims& held, std::size_t truths) {
  std::pmr::memory_resource* const memory = held.get_allocator().resource();
  std::pmr::vector<float> top_metric(truths, 0.0f, memory), top_overlap(truths, 0.0f, memory);
  for (const Claim& c : held) {
    top_metric[c.gt] = std::max(top_metric[c.gt], c.metric);
    top_overlap[c.gt] = std::max(top_overlap[c.gt], c.overlap);
  }
  std::pmr::vector<AnchorMatch> matches(memory);
  matches.reserve(held.size());
  for (const Claim& c : held) {
    matches.push_back({c.anchor, c.gt, target_score(c.metric, top_metric[c.gt], top_overlap[c.gt])});
  }
  return matches;
}

}  // namespace

std::pmr::vector<AnchorMatch> assign_image(const AnchorGrid& grid, std::span<const GroundTruth> truths,
                                           const AssignOptions& options, PredictionAt prediction,
                                           std::pmr::memory_resource* memory) {
  const ImageAssigner assigner(grid, truths, prediction, memory);
  const int count = static_cast<int>(truths.size());
  Claims claims(memory);
  for (int g = 0; g < count; ++g) assigner.pick(g, options.topk, claims);
  Claims held = assigner.settle(std::move(claims));
  if (options.topk2 != options.topk) held = keep_best(held, count, options.topk2, grid.count());
  return scored(held, truths.size());
}

}  // namespace boxcar::kernels
