// Golden pictures and boxes as the library's types.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "boxcar/data/augment/boxes.h"
#include "boxcar/data/image/image.h"
#include "boxcar/data/image/resize.h"
#include "boxcar/kernels/render/render.h"
#include "support/golden.h"

namespace boxcar::test {

inline Image image_from(const GoldenTensor& t) {  // [H,W,C]
  Image image{int(t.shape[0]), int(t.shape[1]), int(t.shape[2]), std::vector<std::uint8_t>(t.bytes.size())};
  std::memcpy(image.pixels.data(), t.bytes.data(), t.bytes.size());
  return image;
}

inline ResizedSize size_of_image(const Image& image) { return {image.height, image.width}; }

inline std::vector<BoxLabel> labels_from(const GoldenTensor& cls, const GoldenTensor& xywh) {
  const auto c = cls.floats(), b = xywh.floats();
  std::vector<BoxLabel> labels;
  for (std::size_t i = 0; i < c.size(); ++i)
    labels.push_back({int(c[i]), b[4 * i], b[4 * i + 1], b[4 * i + 2], b[4 * i + 3]});
  return labels;
}

inline std::vector<PixelBox> boxes_from(const GoldenTensor& xyxy) {
  const auto b = xyxy.floats();
  std::vector<PixelBox> boxes;
  for (std::size_t i = 0; i < b.size(); i += 4) boxes.push_back({int(i / 4), b[i], b[i + 1], b[i + 2], b[i + 3]});
  return boxes;
}

inline std::vector<float> flat(const std::vector<PixelBox>& boxes) {
  std::vector<float> out;
  for (const PixelBox& b : boxes) out.insert(out.end(), {b.x1, b.y1, b.x2, b.y2});
  return out;
}
inline std::vector<float> flat(const std::vector<BoxLabel>& labels) {
  std::vector<float> out;
  for (const BoxLabel& b : labels) out.insert(out.end(), {b.xc, b.yc, b.w, b.h});
  return out;
}
template <class Boxes>
std::vector<float> classes_of(const Boxes& boxes) {
  std::vector<float> out;
  for (const auto& b : boxes) out.push_back(float(b.cls));
  return out;
}

/// One plan over images, as NHWC bytes.
inline std::vector<std::uint8_t> render_one(const kernels::RenderPlan& plan, const std::vector<Image>& images) {
  std::vector<kernels::SourceImage> sources;
  for (const Image& image : images) sources.push_back({image.pixels.data(), image.height, image.width});
  Stream stream;
  const Tensor out = Tensor::empty(stream, {1, plan.height, plan.width, 3}, DType::kU8);
  kernels::render(stream, {{&plan, 1}, sources, out});
  return {out.as<std::uint8_t>(), out.as<std::uint8_t>() + out.count()};
}

struct ByteDifference {
  int worst = 0;
  double share = 0;  // of bytes that differ
};
inline ByteDifference compare_bytes(const std::vector<std::uint8_t>& a, const std::vector<std::uint8_t>& b) {
  if (a.size() != b.size()) return {256, 1};
  ByteDifference d;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const int delta = std::abs(int(a[i]) - int(b[i]));
    d.worst = std::max(d.worst, delta);
    d.share += delta != 0;
  }
  d.share /= double(std::max<std::size_t>(a.size(), 1));
  return d;
}

/// [C,H,W] bytes to [H,W,C].
inline std::vector<std::uint8_t> hwc_from(const GoldenTensor& chw) {
  const auto c = chw.shape[0], h = chw.shape[1], w = chw.shape[2];
  std::vector<std::uint8_t> out(chw.bytes.size());
  for (std::int64_t k = 0; k < c; ++k) {
    for (std::int64_t i = 0; i < h * w; ++i) out[i * c + k] = std::uint8_t(chw.bytes[k * h * w + i]);
  }
  return out;
}

}  // namespace boxcar::test
