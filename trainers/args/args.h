// The arguments of a run, typed and checked.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "boxcar/runtime/base/log.h"
#include "boxcar/trainers/args/overrides.h"
#include "boxcar/trainers/args/setting.h"

namespace boxcar {

/// Value of imgsz: one side for train and val, which use squares; predict also takes height and width.
struct ImageSize {
  int height = 0, width = 0;
  /// The longer side, pixels.
  int side() const { return height > width ? height : width; }
  bool operator==(const ImageSize&) const = default;
};

/// Value of batch: a number of images, or as many as a share of the device's free memory has room for.
struct BatchSize {
  int images = 0;    // at least 1; 0: to be chosen
  double share = 0;  // in (0,1) where a share was asked for; 0 for batch=-1

  bool is_automatic() const { return images == 0; }
  /// Of the device's free memory, for a batch to be chosen.
  double memory_share() const { return share > 0 ? share : 0.6; }
  bool operator==(const BatchSize&) const = default;
};

/// One field an argument, in the order and with the names of cfg/default.yaml, which also says what each one means.
/// An argument that may be null is optional; one that takes several kinds of value is a Setting (see the accessors
/// below). What a field may hold: table.cpp. No name clashes with C++, so none carries an underscore.
struct Args {
  std::string task, mode;
  std::optional<std::string> model, data;
  int epochs;
  std::optional<double> time;
  int patience;
  BatchSize batch;  // a number of images once training has begun
  ImageSize imgsz;
  bool save;
  int save_period;
  Setting cache;   // false, true or "ram"
  Setting device;  // see device_choice.h
  int workers;
  std::optional<std::string> project, name;
  bool exist_ok;
  Setting pretrained;  // bool, or text: a weights file
  bool cls_remap;
  std::string optimizer;  // spelt as in cfg/default.yaml, whatever the case given
  bool verbose;
  int seed;
  bool deterministic, single_cls, rect, cos_lr;
  int close_mosaic;
  Setting resume;    // bool, or text: a checkpoint
  Setting amp;       // bool, or "fp16", "bf16", "fp32"
  Setting fraction;  // see images_kept()
  bool profile;
  Setting freeze;  // see frozen_layers()
  double multi_scale;
  Setting compile;
  std::optional<bool> channels_last;
  bool overlap_mask;
  int mask_ratio;
  double dropout;
  bool val;
  std::string split;
  bool save_json;
  std::optional<double> conf;
  double iou;
  int max_det;
  Setting quantize;  // of val and predict: null or 32 (f32), 16 (bf16)
  bool dnn, plots;
  std::optional<bool> nms;
  std::optional<std::string> source;
  int vid_stride;
  bool stream_buffer, visualize, augment, agnostic_nms;
  Setting classes;  // see class_filter()
  bool retina_masks;
  Setting embed;
  bool show, save_frames, save_txt, save_conf, save_crop, show_labels, show_conf, show_boxes;
  std::optional<int> line_width;
  std::string format;
  bool optimize, dynamic, simplify;
  std::optional<int> opset;
  std::optional<double> workspace;
  double lr0, lrf, momentum, weight_decay, warmup_epochs, warmup_momentum, warmup_bias_lr;
  std::optional<std::string> distill_model;
  double dis, box, cls, cls_pw, dfl, pose, kobj, rle, angle, dlog, dgrad, dlam;
  int nbs;
  double hsv_h, hsv_s, hsv_v, degrees, translate;
  Setting scale;  // see scale_range()
  double shear, perspective, flipud, fliplr, bgr, mosaic, mixup, cutmix, copy_paste;
  std::string copy_paste_mode, auto_augment;
  double erasing;
  std::optional<std::string> cfg;
  std::string tracker;
  std::optional<std::string> save_dir;
  int threads;
  bool cuda_graphs;
  bool gpu_render;

  /// The defaults of cfg/default.yaml.
  Args();

  /// Defaults < the file that `overrides` name as cfg < `overrides`, all checked. Throws ArgumentError with one
  /// sentence for a value of the wrong kind or out of range, and for an argument that boxcar does not support when it
  /// differs from its default; IoError for a cfg file that cannot be read. Warnings (old spellings, reduced values) go
  /// to `log`.
  static Args from(const Overrides& overrides, const Log& log = {});

  /// Reads the text of an args.yaml written by to_yaml() or by the reference. `origin` names it in messages.
  static Args from_yaml(std::string_view text, const std::string& origin, const Log& log = {});

  /// Text of args.yaml: "key: value" lines in the order of cfg/default.yaml, lists one item a line.
  std::string to_yaml() const;

  /// "agnostic_nms=False, amp=True, ...": every argument sorted by name, as printed when a run starts.
  std::string to_line() const;

  /// The value of the argument `name`; throws ArgumentError for an unknown one.
  Setting get(std::string_view name) const;
  /// Checks and sets one argument, as from() does, except that what is not supported yet is not refused.
  void set(std::string_view name, const Setting& value);

  /// Number of the `total` images of a split ("train", "val", "test") that `fraction` keeps: a share is rounded
  /// (half to even), a count is cut to `total`, the result is at least 1 unless total is 0. One number acts on
  /// train alone; of a list the entries are train, val, test.
  std::size_t images_kept(std::string_view split, std::size_t total) const;
  /// The share (up to 1) or count (above 1) of a split's images that `fraction` keeps, as above.
  double fraction_of(std::string_view split) const;
  /// Layers that are not trained: "0", "1" .. "N-1" for a number N, the items of a list as text, none for null.
  /// A parameter is frozen when its name contains "model.<item>.".
  std::vector<std::string> frozen_layers() const;
  /// Class numbers to keep; nothing = all.
  std::optional<std::vector<int>> class_filter() const;
  /// Lowest and highest zoom factor: 1 - s and 1 + s for a number, the two themselves for a pair.
  std::pair<double, double> scale_range() const;
  /// Whether decoded images are kept in memory.
  bool cache_in_ram() const { return cache.is_text() || (cache.is_bool() && cache.as_bool()); }
};

/// The overrides with those of the file that they name as cfg below them, and without cfg: for a caller that has
/// defaults of its own, which are weaker than the file. Throws as Args::from().
Overrides with_config_file(const Overrides& overrides);

/// Throws ArgumentError, with the remedy, when a mode lacks the argument it cannot do without: a model (all modes),
/// data (train, unless it resumes; val may take it from the weights), source (predict). For the command line; in a
/// library call the facade brings the model along.
void check_inputs(const Args& args);

/// Whether a resumed run may be given another value for `name` than its checkpoint holds.
bool may_change_on_resume(std::string_view name);

/// Names of all arguments, in the order of cfg/default.yaml.
std::vector<std::string> argument_names();

}  // namespace boxcar
