#include "boxcar/kernels/nms/nms.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>

#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/nms/nms_math.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::kernels {
namespace {

struct Candidate {
  float score;
  int anchor, cls;
};

/// Falling score; equal scores by anchor, then class.
bool comes_before(const Candidate& a, const Candidate& b) {
  if (a.score != b.score) return a.score > b.score;
  return a.anchor != b.anchor ? a.anchor < b.anchor : a.cls < b.cls;
}

/// The rows of one image.
struct ImageRows {
  const float* data;
  std::int64_t ld;
  int anchors, nc;

  const float* box(int anchor) const { return data + anchor * ld; }
  const float* scores(int anchor) const { return box(anchor) + kBoxNumbers; }
  /// Lowest index on a tie.
  Candidate best(int anchor) const {
    const float* s = scores(anchor);
    const auto cls = static_cast<int>(std::max_element(s, s + nc) - s);
    return {s[cls], anchor, cls};
  }
};

ImageRows rows_of_image(const TensorView& predictions, std::int64_t image) {
  const std::int64_t per_image = std::int64_t{predictions.h} * predictions.w * predictions.ld;
  return {predictions.as<const float>() + image * per_image, predictions.ld, predictions.h * predictions.w,
          predictions.c - kBoxNumbers};
}

Detection detection_of(const ImageRows& rows, const Candidate& c, BoxFormat format) {
  const float* b = rows.box(c.anchor);
  if (format == BoxFormat::kXyxy) return {b[0], b[1], b[2], b[3], c.score, c.cls, c.anchor};
  const Corners corners = corners_of(b);
  return {corners.x1, corners.y1, corners.x2, corners.y2, c.score, c.cls, c.anchor};
}

/// wanted[c]: class c may come out.
std::vector<char> wanted_classes(const std::vector<int>& classes, int nc) {
  std::vector<char> wanted(nc, classes.empty() ? 1 : 0);
  for (const int c : classes) {
    if (c >= 0 && c < nc) wanted[c] = 1;
  }
  return wanted;
}

std::vector<Candidate> candidates_of(const ImageRows& rows, const NmsOptions& options,
                                     const std::vector<char>& wanted) {
  std::vector<Candidate> found;
  for (int a = 0; a < rows.anchors; ++a) {
    if (options.multi_label) {
      const float* s = rows.scores(a);
      for (int c = 0; c < rows.nc; ++c) {
        if (s[c] > options.conf && wanted[c]) found.push_back({s[c], a, c});
      }
    } else if (const Candidate best = rows.best(a); best.score > options.conf && wanted[best.cls]) {
      found.push_back(best);
    }
  }
  return found;
}

/// The `limit` best of them, in order.
void keep_best(std::vector<Candidate>& list, int limit) {
  if (list.size() > static_cast<std::size_t>(limit)) {
    std::nth_element(list.begin(), list.begin() + limit, list.end(), comes_before);
    list.resize(limit);
  }
  std::sort(list.begin(), list.end(), comes_before);
}

/// Boxes already kept, one array a coordinate so that the comparison loop vectorises.
class KeptBoxes {
 public:
  /// Whether one of them suppresses this one.
  bool suppress(const Corners& b, float limit) const {
    const float area = area_of(b);
    int hits = 0;
    for (std::size_t i = 0; i < x1_.size(); ++i) {
      hits += suppresses({x1_[i], y1_[i], x2_[i], y2_[i]}, area_[i], b, area, limit) ? 1 : 0;
    }
    return hits > 0;
  }
  void add(const Corners& b) {
    x1_.push_back(b.x1), y1_.push_back(b.y1), x2_.push_back(b.x2), y2_.push_back(b.y2);
    area_.push_back(area_of(b));
  }

 private:
  std::vector<float> x1_, y1_, x2_, y2_, area_;
};

/// Whether shifting by class surely parts boxes of different classes: they span less than one
/// shift. Each class may then be compared with itself alone, with the same result.
bool classes_are_apart(const std::vector<Detection>& boxes) {
  float low = std::numeric_limits<float>::max(), high = std::numeric_limits<float>::lowest();
  for (const Detection& b : boxes) {
    low = std::min({low, b.x1, b.x2});
    high = std::max({high, b.x1, b.x2});
    if (!std::isfinite(b.x1) || !std::isfinite(b.x2)) return false;
  }
  return high - low < kClassOffset;
}

std::vector<Detection> greedy(const std::vector<Detection>& boxes, const NmsOptions& options, int nc) {
  const bool by_class = !options.agnostic && classes_are_apart(boxes);
  std::vector<KeptBoxes> kept(by_class ? nc : 1);
  std::vector<Detection> out;
  for (const Detection& b : boxes) {
    const float offset = options.agnostic ? 0.0f : static_cast<float>(b.cls) * kClassOffset;
    const Corners moved = shifted({b.x1, b.y1, b.x2, b.y2}, offset);
    KeptBoxes& rivals = kept[by_class ? b.cls : 0];
    if (rivals.suppress(moved, options.iou)) continue;
    rivals.add(moved);
    out.push_back(b);
    if (out.size() == static_cast<std::size_t>(options.max_det)) break;
  }
  return out;
}

std::vector<Detection> to_detections(const ImageRows& rows, const std::vector<Candidate>& list, BoxFormat format) {
  std::vector<Detection> boxes;
  boxes.reserve(list.size());
  for (const Candidate& c : list) boxes.push_back(detection_of(rows, c, format));
  return boxes;
}

std::vector<Candidate> head_rows(const ImageRows& rows, const EndToEndOptions& options) {
  std::vector<Candidate> anchors;
  anchors.reserve(rows.anchors);
  for (int a = 0; a < rows.anchors; ++a) anchors.push_back(rows.best(a));
  std::erase_if(anchors, [](const Candidate& c) { return std::isnan(c.score); });
  keep_best(anchors, options.candidates);
  if (options.agnostic) return anchors;
  // Ties go to the better anchor, so the candidates carry its rank until they are ordered.
  std::vector<Candidate> all;
  for (std::size_t rank = 0; rank < anchors.size(); ++rank) {
    const float* s = rows.scores(anchors[rank].anchor);
    for (int c = 0; c < rows.nc; ++c) {
      if (!std::isnan(s[c])) all.push_back({s[c], static_cast<int>(rank), c});
    }
  }
  keep_best(all, static_cast<int>(anchors.size()));
  for (Candidate& c : all) c.anchor = anchors[c.anchor].anchor;
  return all;
}

void check_predictions(const char* op, const TensorView& p) {
  if (p.dtype != DType::kF32 || p.h != 1 || p.c <= kBoxNumbers) {
    fail<ShapeError>("{}: predictions must be f32 [N,1,A,4+nc] with at least one class, not {} {}", op,
                     name_of(p.dtype), p.shape().str());
  }
}

void check_share(const char* op, const char* name, float value) {
  if (!(value >= 0 && value <= 1)) fail<ArgumentError>("{}: {}={} must be a number in 0..1", op, name, value);
}

void check_count(const char* op, const char* name, int value) {
  if (value < 1) fail<ArgumentError>("{}: {}={} must be at least 1", op, name, value);
}

template <class F>
Detections for_each_image(Stream& stream, const TensorView& predictions, F boxes_of) {
  Detections out(predictions.n);
  parallel_for(stream.threads(), predictions.n, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) out[i] = boxes_of(rows_of_image(predictions, i));
  });
  return out;
}

}  // namespace

namespace cpu {

Detections non_max_suppression(Stream& stream, const TensorView& predictions, const NmsOptions& options) {
  const std::vector<char> wanted = wanted_classes(options.classes, predictions.c - kBoxNumbers);
  return for_each_image(stream, predictions, [&](const ImageRows& rows) {
    std::vector<Candidate> list = candidates_of(rows, options, wanted);
    keep_best(list, options.max_nms);
    return greedy(to_detections(rows, list, BoxFormat::kXywh), options, rows.nc);
  });
}

Detections select_end_to_end(Stream& stream, const TensorView& predictions, const EndToEndOptions& options) {
  const std::vector<char> wanted = wanted_classes(options.classes, predictions.c - kBoxNumbers);
  return for_each_image(stream, predictions, [&](const ImageRows& rows) {
    std::vector<Candidate> list = head_rows(rows, options);
    std::erase_if(list, [&](const Candidate& c) { return !(c.score > options.conf) || !wanted[c.cls]; });
    if (list.size() > static_cast<std::size_t>(options.max_det)) list.resize(options.max_det);
    return to_detections(rows, list, options.boxes);
  });
}

}  // namespace cpu

#if BOXCAR_WITH_CUDA
namespace cuda {
Detections non_max_suppression(Stream& stream, const TensorView& predictions, const NmsOptions& options);
}
#endif

Detections non_max_suppression(Stream& stream, const TensorView& predictions, const NmsOptions& options) {
  const char* op = "non_max_suppression";
  check_predictions(op, predictions);
  check_share(op, "conf", options.conf);
  check_share(op, "iou", options.iou);
  check_count(op, "max_det", options.max_det);
  check_count(op, "max_nms", options.max_nms);
  return BOXCAR_DISPATCH(stream, non_max_suppression, predictions, options);
}

Detections select_end_to_end(Stream& stream, const TensorView& predictions, const EndToEndOptions& options) {
  const char* op = "select_end_to_end";
  check_predictions(op, predictions);
  check_share(op, "conf", options.conf);
  check_count(op, "max_det", options.max_det);
  check_count(op, "candidates", options.candidates);
  return BOXCAR_DISPATCH_CPU(stream, select_end_to_end, predictions, options);
}

}  // namespace boxcar::kernels
