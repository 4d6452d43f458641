#include "boxcar/trainers/args/table.h"

#include <algorithm>

#include "boxcar/trainers/args/forms.h"

namespace boxcar {
namespace {

constexpr ArgumentRule any{};
constexpr ArgumentRule share{.lowest = 0, .highest = 1};
constexpr ArgumentRule at_least(double lowest) { return {.lowest = lowest}; }
constexpr ArgumentRule form(Setting (*tidy)(std::string_view, const Setting&)) { return {.tidy = tidy}; }

using enum Support;
using A = Args;

// The last word of a row is all there is to change when boxcar learns an argument. Values that are refused although
// the argument is supported (mode=export, cache=disk) stand in forms.cpp.
constexpr ArgumentRow kTable[] = {
    {"task", &A::task, form(tidy_task), yes},
    {"mode", &A::mode, form(tidy_mode), yes},
    {"model", &A::model, any, yes},
    {"data", &A::data, form(tidy_data), yes},
    {"epochs", &A::epochs, at_least(1), yes},
    {"time", &A::time, at_least(0), yes},
    {"patience", &A::patience, at_least(0), yes},
    {"batch", &A::batch, form(tidy_batch), yes},
    {"imgsz", &A::imgsz, {.lowest = 1, .highest = 32768}, yes},
    {"save", &A::save, any, yes},
    {"save_period", &A::save_period, any, yes},
    {"cache", &A::cache, form(tidy_cache), yes},
    {"device", &A::device, form(tidy_device), yes},
    {"workers", &A::workers, any, yes},
    {"project", &A::project, form(tidy_folder_name), yes},
    {"name", &A::name, form(tidy_folder_name), yes},
    {"exist_ok", &A::exist_ok, any, yes},
    {"pretrained", &A::pretrained, form(tidy_switch_or_file), yes},
    {"cls_remap", &A::cls_remap, any, yes},
    {"optimizer", &A::optimizer, form(tidy_optimizer), yes},
    {"verbose", &A::verbose, any, yes},
    {"seed", &A::seed, at_least(0), yes},
    {"deterministic", &A::deterministic, any, yes},
    {"single_cls", &A::single_cls, any, yes},
    {"rect", &A::rect, any, yes},
    {"cos_lr", &A::cos_lr, any, yes},
    {"close_mosaic", &A::close_mosaic, any, yes},
    {"resume", &A::resume, form(tidy_switch_or_file), yes},
    {"amp", &A::amp, form(tidy_amp), yes},
    {"fraction", &A::fraction, form(tidy_fraction), yes},
    {"profile", &A::profile, any, yes},
    {"freeze", &A::freeze, form(tidy_freeze), yes},
    {"multi_scale", &A::multi_scale, share, yes},
    {"compile", &A::compile, form(tidy_switch_or_text), not_yet},
    {"channels_last", &A::channels_last, any, not_yet},
    {"overlap_mask", &A::overlap_mask, any, other_task},
    {"mask_ratio", &A::mask_ratio, at_least(1), other_task},
    {"dropout", &A::dropout, share, other_task},
    {"val", &A::val, any, yes},
    {"split", &A::split, form(tidy_split), yes},
    {"save_json", &A::save_json, any, yes},
    {"conf", &A::conf, share, yes},
    {"iou", &A::iou, share, yes},
    {"max_det", &A::max_det, at_least(1), yes},
    {"quantize", &A::quantize, form(tidy_quantize), yes},
    {"dnn", &A::dnn, any, not_yet},
    {"plots", &A::plots, any, yes},
    {"nms", &A::nms, form(tidy_nms), yes},
    {"source", &A::source, form(tidy_source), yes},
    {"vid_stride", &A::vid_stride, at_least(1), not_yet},
    {"stream_buffer", &A::stream_buffer, any, not_yet},
    {"visualize", &A::visualize, any, not_yet},
    {"augment", &A::augment, any, not_yet},
    {"agnostic_nms", &A::agnostic_nms, any, yes},
    {"classes", &A::classes, form(tidy_classes), yes},
    {"retina_masks", &A::retina_masks, any, other_task},
    {"embed", &A::embed, form(tidy_classes), not_yet},
    {"show", &A::show, any, not_yet},
    {"save_frames", &A::save_frames, any, not_yet},
    {"save_txt", &A::save_txt, any, yes},
    {"save_conf", &A::save_conf, any, yes},
    {"save_crop", &A::save_crop, any, yes},
    {"show_labels", &A::show_labels, any, yes},
    {"show_conf", &A::show_conf, any, yes},
    {"show_boxes", &A::show_boxes, any, yes},
    {"line_width", &A::line_width, any, yes},
    {"format", &A::format, any, not_yet},
    {"optimize", &A::optimize, any, not_yet},
    {"dynamic", &A::dynamic, any, not_yet},
    {"simplify", &A::simplify, any, not_yet},
    {"opset", &A::opset, any, not_yet},
    {"workspace", &A::workspace, any, not_yet},
    {"lr0", &A::lr0, share, yes},
    {"lrf", &A::lrf, share, yes},
    {"momentum", &A::momentum, share, yes},
    {"weight_decay", &A::weight_decay, share, yes},
    {"warmup_epochs", &A::warmup_epochs, any, yes},
    {"warmup_momentum", &A::warmup_momentum, share, yes},
    {"warmup_bias_lr", &A::warmup_bias_lr, share, yes},
    {"distill_model", &A::distill_model, any, not_yet},
    {"dis", &A::dis, any, not_yet},
    {"box", &A::box, any, yes},
    {"cls", &A::cls, any, yes},
    {"cls_pw", &A::cls_pw, share, yes},
    {"dfl", &A::dfl, any, yes},
    {"pose", &A::pose, any, other_task},
    {"kobj", &A::kobj, any, other_task},
    {"rle", &A::rle, any, other_task},
    {"angle", &A::angle, any, other_task},
    {"dlog", &A::dlog, any, other_task},
    {"dgrad", &A::dgrad, any, other_task},
    {"dlam", &A::dlam, share, other_task},
    {"nbs", &A::nbs, at_least(1), yes},
    {"hsv_h", &A::hsv_h, share, yes},
    {"hsv_s", &A::hsv_s, share, yes},
    {"hsv_v", &A::hsv_v, share, yes},
    {"degrees", &A::degrees, any, yes},
    {"translate", &A::translate, share, yes},
    {"scale", &A::scale, form(tidy_scale), yes},
    {"shear", &A::shear, any, yes},
    {"perspective", &A::perspective, share, yes},
    {"flipud", &A::flipud, share, yes},
    {"fliplr", &A::fliplr, share, yes},
    {"bgr", &A::bgr, share, yes},
    {"mosaic", &A::mosaic, share, yes},
    {"mixup", &A::mixup, share, yes},
    {"cutmix", &A::cutmix, share, yes},
    {"copy_paste", &A::copy_paste, share, yes},
    {"copy_paste_mode", &A::copy_paste_mode, form(tidy_copy_paste_mode), yes},
    {"auto_augment", &A::auto_augment, any, other_task},
    {"erasing", &A::erasing, share, other_task},
    {"cfg", &A::cfg, any, yes},
    {"tracker", &A::tracker, any, not_yet},
    {"save_dir", &A::save_dir, any, yes},
    {"threads", &A::threads, {.lowest = 0, .highest = 4096}, yes},
    {"cuda_graphs", &A::cuda_graphs, any, yes},
    {"gpu_render", &A::gpu_render, any, yes},
};

}  // namespace

std::span<const ArgumentRow> argument_table() { return kTable; }

const ArgumentRow* find_argument(std::string_view name) {
  const auto* row = std::ranges::find(kTable, name, &ArgumentRow::name);
  return row == std::end(kTable) ? nullptr : row;
}

std::vector<std::string> argument_names() {
  std::vector<std::string> names;
  for (const ArgumentRow& row : kTable) names.emplace_back(row.name);
  return names;
}

bool may_change_on_resume(std::string_view name) {
  static constexpr std::string_view kNames[] = {"imgsz",   "batch",   "device",        "close_mosaic",  "save_period",
                                                "workers", "cache",   "patience",      "time",          "freeze",
                                                "val",     "plots",   "channels_last", "distill_model", "save_dir",
                                                "data",    "threads", "cuda_graphs",   "gpu_render"};
  return std::ranges::find(kNames, name) != std::end(kNames);
}

}  // namespace boxcar
