#include "boxcar/data/loader/make_sample.h"

#include "boxcar/data/augment/letterbox.h"
#include "boxcar/data/augment/plan.h"
#include "boxcar/kernels/render/render.h"

namespace boxcar {
namespace {

ImageInfo info_of(const LoadedImage& loaded) {
  const auto [h0, w0] = loaded.original;
  const auto [h, w] = loaded.size();
  return {loaded.path, loaded.index, loaded.original, loaded.size(), double(h) / h0, double(w) / w0, 0, 0};
}

kernels::SourceImage source_of(const Image& image) { return {image.pixels.data(), image.height, image.width}; }

PlannedImage planned_image(const std::shared_ptr<const LoadedImage>& loaded) {
  return {{loaded, &loaded->image}, loaded->index};
}

}  // namespace

PlannedTrainingSample plan_training_sample(Stream& stream, ImageStore& store, const AugmentOptions& options,
                                           const SampleKey& key, ResizedSize size) {
  std::vector<std::shared_ptr<const LoadedImage>> loaded;  // keeps labels alive
  const PlanSources sources{key.partners, [&](std::size_t i) {
                              const auto& image = loaded.emplace_back(store.get(i));
                              return PlanSource{image->size(), image->labels, image->polygons};
                            }};
  Random random = sample_random(key.seed, key.epoch, key.index);
  PlannedSample planned = draw_plan(options, size.height, size.width, key.index, sources, random);
  PlannedTrainingSample sample{{std::move(planned.boxes), info_of(*loaded.front())}, planned.plan, {}};
  auto next = loaded.begin();
  for (const auto& image : planned.images) {
    if (const auto* paste = std::get_if<Paste>(&image)) {
      sample.images.push_back(
          {std::make_shared<const Image>(render_paste(stream, *paste, host_sources(sample.images))), std::nullopt});
    } else {
      sample.images.push_back(planned_image(*next++));
    }
  }
  return sample;
}

MadeSample make_training_sample(Stream& stream, ImageStore& store, const AugmentOptions& options, const SampleKey& key,
                                const TensorView& out) {
  PlannedTrainingSample sample = plan_training_sample(stream, store, options, key, {out.h, out.w});
  kernels::render(stream, {{&sample.plan, 1}, host_sources(sample.images), out});
  return std::move(sample.made);
}

MadeSample make_validation_sample(Stream& stream, ImageStore& store, std::size_t index, const TensorView& out) {
  const auto loaded = store.get(index);
  const Letterbox geometry = letterbox_geometry(loaded->size(), {out.h, out.w}, kValidationLetterbox);
  MadeSample made{{}, info_of(*loaded)};
  for (const BoxLabel& label : loaded->labels) made.boxes.push_back(letterbox_label(label, loaded->size(), geometry));
  made.info.gain_h *= geometry.ratio_h;
  made.info.gain_w *= geometry.ratio_w;
  made.info.pad_x = geometry.left;
  made.info.pad_y = geometry.top;

  Image smaller;
  const bool fits = geometry.inner == loaded->size();
  if (!fits) smaller = resize_bilinear(loaded->image, geometry.inner.height, geometry.inner.width);
  const kernels::SourceImage source = source_of(fits ? loaded->image : smaller);
  const kernels::RenderPlan plan = letterbox_plan(geometry);
  kernels::render(stream, {{&plan, 1}, {&source, 1}, out});
  return made;
}

}  // namespace boxcar
