#include "boxcar/data/augment/plan.h"

#include <algorithm>

#include "boxcar/data/augment/affine.h"
#include "boxcar/data/augment/mix.h"
#include "boxcar/data/augment/mosaic.h"
#include "boxcar/data/augment/objects.h"
#include "boxcar/kernels/render/hsv_tables.h"

namespace boxcar {
namespace {

PixelObjects objects_of(const PlanSource& image, float dx = 0, float dy = 0) {
  return to_pixels(image.labels, image.polygons, static_cast<float>(image.size.width),
                   static_cast<float>(image.size.height), dx, dy);
}

/// The picture's only tile: the whole of an image.
void show(int number, ResizedSize size, kernels::Picture& picture) {
  picture.tile_count = 1;
  picture.tiles[0] = {number, 0, 0, size.width, size.height, 0, 0};
}

/// Draws one sample; holds what is common to its pictures.
class PlanDrawer {
 public:
  PlanDrawer(const AugmentOptions& options, int height, int width, const PlanSources& sources, Random& random)
      : options_(options), height_(height), width_(width), sources_(sources), random_(random) {
    sample_.plan.height = height;
    sample_.plan.width = width;
  }

  PlannedSample draw(std::size_t index) {
    boxes_ = draw_picture(index, sample_.plan.picture).boxes;
    if (happens(open(options_.mixup))) mixup();
    if (happens(open(options_.cutmix))) cutmix();
    shift_colours();
    flip();
    sample_.plan.bgr = happens(options_.bgr);
    for (const PixelBox& box : boxes_) {
      sample_.boxes.push_back(to_label(box, static_cast<float>(width_), static_cast<float>(height_)));
    }
    return std::move(sample_);
  }

 private:
  bool happens(double probability) { return random_.uniform() < probability; }
  double open(double probability) const { return options_.mosaic_closed ? 0 : probability; }
  std::size_t any_partner() {
    return sources_.partners[random_.below(static_cast<std::uint32_t>(sources_.partners.size()))];
  }

  int image_count() const { return static_cast<int>(sample_.images.size()); }
  PlanSource take(std::size_t index) {
    sample_.images.emplace_back(index);
    return sources_.get(index);
  }

  /// A picture before mixup. Returns its objects in output pixels.
  PixelObjects draw_picture(std::size_t index, kernels::Picture& picture) {
    PixelObjects objects = draw_warped(index, picture);
    if (pastes(CopyPasteMode::kMixup, objects) && happens(options_.copy_paste)) {
      Paste paste;
      const PixelObjects donors = draw_warped(any_partner(), paste.from);
      copy_paste({height_, width_}, std::move(paste), donors, picture, objects);
    }
    return objects;
  }

  /// Mosaic or single image, objects pasted in from its mirror, then the warp. Returns its objects in output pixels.
  PixelObjects draw_warped(std::size_t index, kernels::Picture& picture) {
    PixelObjects objects;
    ResizedSize canvas{2 * options_.imgsz, 2 * options_.imgsz};
    if (happens(open(options_.mosaic))) {
      objects = draw_mosaic(index, picture);
    } else {
      canvas = single_image(index, picture, objects);
    }
    if (pastes(CopyPasteMode::kFlip, objects)) {
      const PixelObjects donors = flipped_horizontally(objects, static_cast<float>(canvas.width));
      copy_paste(canvas, {.mirror = true}, donors, picture, objects);
    }
    const AffineDraws draws = draw_affine(options_, random_);
    const Matrix3 matrix = affine_matrix(draws, canvas.height, canvas.width, height_, width_);
    const Matrix3 inverse = inverted(matrix);
    std::ranges::copy(inverse, picture.inverse);
    picture.perspective = options_.perspective != 0;
    return warped(objects, matrix, picture.perspective, static_cast<float>(draws.scale), static_cast<float>(width_),
                  static_cast<float>(height_));
  }

  PixelObjects draw_mosaic(std::size_t index, kernels::Picture& picture) {
    const MosaicCentre centre = draw_mosaic_centre(options_.imgsz, random_);
    const int first = image_count();
    std::vector<PlanSource> images{take(index)};
    while (static_cast<int>(images.size()) < options_.mosaic_images) images.push_back(take(any_partner()));
    std::vector<ResizedSize> sizes;
    for (const PlanSource& image : images) sizes.push_back(image.size);
    if (options_.mosaic_images == 9) {
      place_nine(sizes, options_.imgsz, first, picture);
    } else {
      place_four(sizes, centre, options_.imgsz, first, picture);
    }
    PixelObjects objects;
    const auto side = static_cast<float>(2 * options_.imgsz);
    for (std::size_t i = 0; i < images.size(); ++i) {
      const kernels::Tile& tile = picture.tiles[i];
      append(objects,
             clipped(objects_of(images[i], static_cast<float>(tile.dx), static_cast<float>(tile.dy)), side, side));
    }
    return objects;
  }

  /// The canvas is the image itself. Objects are not clipped to it.
  ResizedSize single_image(std::size_t index, kernels::Picture& picture, PixelObjects& objects) {
    const int number = image_count();
    const PlanSource image = take(index);
    show(number, image.size, picture);
    objects = objects_of(image);
    return image.size;
  }

  /// Whether objects may be pasted into a picture; without polygons nobody knows their pixels.
  bool pastes(CopyPasteMode mode, const PixelObjects& objects) const {
    return mode == options_.copy_paste_mode && open(options_.copy_paste) > 0 && objects.has_outlines();
  }

  /// Pastes some of the donors into a picture on a canvas of `size`: it then shows an image made for it.
  void copy_paste(ResizedSize size, Paste paste, const PixelObjects& donors, kernels::Picture& picture,
                  PixelObjects& objects) {
    PixelObjects pasted = choose_pasted(donors, objects, options_.copy_paste);
    if (pasted.boxes.empty()) return;
    paste.width = size.width;
    paste.height = size.height;
    paste.onto = picture;
    paste.outlines = pasted.outlines;
    picture = {};
    show(image_count(), size, picture);
    sample_.images.emplace_back(std::move(paste));
    append(objects, std::move(pasted));
  }

  void mixup() {
    AugmentPlan& plan = sample_.plan;
    const std::vector<PixelBox> partner = draw_picture(any_partner(), plan.mixup_picture).boxes;
    plan.mixup = true;
    plan.mixup_ratio = draw_mixup_ratio(random_);
    boxes_.insert(boxes_.end(), partner.begin(), partner.end());
  }

  void cutmix() {
    AugmentPlan& plan = sample_.plan;
    const PixelObjects partner = draw_picture(any_partner(), plan.cutmix_picture);
    const auto area = choose_cut_area(width_, height_, boxes_, random_);
    const auto inside = area ? boxes_in_cut(partner, *area) : std::vector<PixelBox>();
    if (inside.empty()) return;
    plan.cutmix = true;
    plan.cut_x1 = area->x1, plan.cut_y1 = area->y1, plan.cut_x2 = area->x2, plan.cut_y2 = area->y2;
    boxes_.insert(boxes_.end(), inside.begin(), inside.end());
  }

  /// With hyper-parameters of 0 the picture is left alone; small gains drawn from others are not 0.
  void shift_colours() {
    if (options_.hsv_h == 0 && options_.hsv_s == 0 && options_.hsv_v == 0) return;
    const HsvGains gains = draw_hsv_gains(options_, random_);
    kernels::set_hsv_gains(sample_.plan, gains.h, gains.s, gains.v);
  }

  void flip() {
    AugmentPlan& plan = sample_.plan;
    plan.flip_vertical = happens(options_.flipud);
    plan.flip_horizontal = happens(options_.fliplr);
    for (PixelBox& box : boxes_) {
      if (plan.flip_vertical) box = flipped_vertically(box, static_cast<float>(height_));
      if (plan.flip_horizontal) box = flipped_horizontally(box, static_cast<float>(width_));
    }
  }

  const AugmentOptions& options_;
  int height_, width_;
  const PlanSources& sources_;
  Random& random_;
  PlannedSample sample_;
  std::vector<PixelBox> boxes_;  // in output pixels
};

}  // namespace

Random sample_random(std::uint64_t seed, int epoch, std::size_t index) {
  return Random(seed ^ hash_name("augment"), static_cast<std::uint64_t>(epoch), index);
}

HsvGains draw_hsv_gains(const AugmentOptions& o, Random& random) {
  const double h = random.uniform(-1, 1), s = random.uniform(-1, 1), v = random.uniform(-1, 1);
  return {h * o.hsv_h, s * o.hsv_s, v * o.hsv_v};
}

PlannedSample draw_plan(const AugmentOptions& options, int height, int width, std::size_t index,
                        const PlanSources& sources, Random& random) {
  return PlanDrawer(options, height, width, sources, random).draw(index);
}

}  // namespace boxcar
