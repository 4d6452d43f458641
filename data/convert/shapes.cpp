#include "boxcar/data/convert/shapes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "boxcar/data/convert/data_yaml.h"
#include "boxcar/data/convert/output_folder.h"
#include "boxcar/data/convert/shape_scene.h"
#include "boxcar/data/dataset/workers.h"
#include "boxcar/data/image/encode.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace {

void check(const ShapesOptions& o) {
  const auto within = [](const char* name, double value, double low, double high) {
    if (!(value >= low && value <= high))
      fail<ArgumentError>("shapes: {}={} is not within {} to {}", name, value, low, high);
  };
  within("images", o.images, 2, 1'000'000);
  within("val_fraction", o.val_fraction, 0, 0.9);
  within("imgsz", o.imgsz, 32, 4096);
  within("most_objects", o.most_objects, 1, 100);
  within("empty_fraction", o.empty_fraction, 0, 1);
  within("jpeg_quality", o.jpeg_quality, 1, 100);
}

std::string labels_text(const std::vector<BoxLabel>& boxes) {
  std::string text;
  for (const BoxLabel& b : boxes) text += label_line(b.cls, b.xc, b.yc, b.w, b.h);
  return text;
}

}  // namespace

ShapesReport draw_shapes_dataset(const std::filesystem::path& folder, const ShapesOptions& options) {
  check(options);
  OutputFolder out(folder);
  ShapesReport report;
  report.names.assign(std::begin(kShapeNames), std::end(kShapeNames));
  report.val = std::clamp(static_cast<int>(std::lround(options.images * options.val_fraction)), 1, options.images - 1);
  report.train = options.images - report.val;
  std::vector<std::size_t> objects(static_cast<std::size_t>(options.images));
  run_on_workers(objects.size(), options.threads, [&](std::size_t i) {
    Random random(options.seed, hash_name("shapes"), i);
    const bool empty = random.uniform() < options.empty_fraction;
    const ShapeScene scene = draw_shape_scene(random, options.imgsz, options.most_objects, empty);
    const std::string name = fmt::format("{}/{:06}", i < static_cast<std::size_t>(report.train) ? "train" : "val", i);
    out.write(fmt::format("images/{}.jpg", name), encode_jpeg(scene.image, {.quality = options.jpeg_quality}));
    out.write(fmt::format("labels/{}.txt", name), labels_text(scene.boxes));
    objects[i] = scene.boxes.size();
  });
  for (const std::size_t n : objects) report.objects += static_cast<long long>(n);
  out.write("data.yaml", data_yaml_text(fmt::format("Shapes drawn by boxcar: {} images, seed {}. Public domain.",
                                                    options.images, options.seed),
                                        {{"train", "images/train"}, {"val", "images/val"}}, report.names));
  out.commit();
  return report;
}

}  // namespace boxcar
