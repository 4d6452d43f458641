// Prediction and validation through the facade, as a library user calls them.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "boxcar/boxcar.h"
#include "boxcar/data/image/decode.h"
#include "boxcar/data/image/encode.h"
#include "boxcar/kernels/common/instruction_set.h"
#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/safetensors.h"
#include "boxcar/trainers/checkpoint/checkpoint.h"
#include "support/folder.h"
#include "support/golden.h"
#include "support/tiny_dataset.h"
#include "trainers/golden_trace.h"

namespace boxcar {
namespace {

namespace fs = std::filesystem;

// Random weights, which find something everywhere at a low enough conf.
struct RandomModel {
  ModelSpec spec = parse_model_spec(test::kTinyNetwork, "tiny.yaml", {.nc = 2, .names = {"red", "blue"}});
  NamedTensors tensors;
  RandomModel() {
    Stream stream;
    DetectionModel model(spec);
    model.prepare(stream);
    const nn::ParamArena arena(model, stream, 3);
    tensors = nn::state_dict(arena, arena.values());
  }
};

// Lines of the log, warnings marked.
struct Lines {
  std::vector<std::string> all;
  Options options() {
    Options o;
    o.log = [this](LogLevel level, std::string_view text) {
      all.push_back((level == LogLevel::kWarning ? "warning: " : "") + std::string(text));
    };
    return o;
  }
  std::size_t count(const std::string& part) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(all, [&](const std::string& line) { return line.find(part) != std::string::npos; }));
  }
  std::string text() const {
    std::string joined;
    for (const std::string& line : all) joined += line + "\n";
    return joined;
  }
};

class Predict : public testing::Test {
 protected:
  Predict() {
    data_ = test::make_tiny_dataset(folder_ / "tinyds");
    const RandomModel model;
    write_safetensors(model_, model.tensors, {{"yaml", model.spec.yaml}, {"names", R"(["red", "blue"])"}});
  }
  // A checkpoint of a run at imgsz.
  fs::path checkpoint(int imgsz) {
    const RandomModel model;
    Args args;
    args.imgsz = {imgsz, imgsz};
    args.data = data_.string();
    Checkpoint c;
    c.model_text = model.spec.yaml;
    c.names = {"red", "blue"};
    c.strides = {8, 16, 32};
    c.args_yaml = args.to_yaml();
    c.ema = model.tensors;
    std::move(c).write(folder_ / "best.pt");
    return folder_ / "best.pt";
  }
  Overrides overrides() {
    return {{"imgsz", 64}, {"conf", 0.0001}, {"max_det", 5}, {"project", (folder_ / "runs").string()}};
  }
  fs::path image(int i) { return images_ / ("val" + std::to_string(i) + ".png"); }

  test::Folder folder_;
  fs::path data_, model_ = folder_ / "tiny.safetensors", images_ = folder_ / "tinyds/images/val";
};

TEST_F(Predict, EventsAreTheReferences) {
  BOXCAR_NEED_SHARED();
  std::vector<std::string> seen;
  YOLO yolo(model_);
  for (const EventName& event : all_events()) {
    if (event.source == SourceKind::predictor) {
      yolo.add_callback(
          event.name, [&, event](BasePredictor&) { seen.push_back(std::string(event.name) + " DetectionPredictor"); });
    } else if (event.source == SourceKind::validator) {
      yolo.add_callback(event.name, [&, event](BaseValidator& v) {
        const auto python = [](bool b) { return b ? "True" : "False"; };
        const std::string batch = v.batch_index() < 0 ? "None" : std::to_string(v.batch_index());
        seen.push_back(fmt::format("{} DetectionValidator training={} batch_i={} plots={}", event.name,
                                   python(v.training()), batch, python(v.plots())));
      });
    }
  }
  EXPECT_EQ(yolo.predict(images_, overrides()).size(), 4u);
  EXPECT_EQ(seen.size(), 14u);
  EXPECT_EQ(seen, test::golden_events('3'));
  seen.clear();
  const Metrics metrics = yolo.val({{"data", data_.string()},
                                    {"batch", 2},
                                    {"imgsz", 64},
                                    {"workers", 0},
                                    {"project", (folder_ / "runs").string()}});
  EXPECT_EQ(seen.size(), 6u);
  EXPECT_EQ(seen, test::golden_events('2'));
  EXPECT_EQ(metrics.values.front().first, "metrics/precision(B)");
  EXPECT_TRUE(fs::exists(folder_ / "runs/val/val_batch0_pred.jpg"));
}

TEST_F(Predict, WritesPicturesLabelsAndCropsWhenAsked) {
  Lines lines;
  YOLO yolo(model_, lines.options());
  Overrides o = overrides();
  const std::vector<Results> quiet = yolo.predict(images_, o);
  EXPECT_FALSE(fs::exists(folder_ / "runs"));
  EXPECT_EQ(lines.count("results saved"), 0u);
  o.set("save", true).set("save_txt", true).set("save_conf", true).set("save_crop", true);
  const std::vector<Results> results = yolo.predict(images_, o);
  ASSERT_EQ(results.size(), 4u);
  for (int i = 0; i < 4; ++i) {
    const Results& r = results[static_cast<std::size_t>(i)];
    EXPECT_EQ(r.path, image(i));
    EXPECT_EQ(r.boxes.size(), 5u);
    EXPECT_EQ(r.boxes, quiet[static_cast<std::size_t>(i)].boxes);
    EXPECT_EQ(r.image, nullptr);
    EXPECT_EQ(r.plot().width, 64);
    const Image drawn = decode_image(folder_ / fmt::format("runs/predict/val{}.jpg", i));
    EXPECT_EQ(drawn.height, 64);
    std::istringstream labels(folder_.read(fmt::format("runs/predict/labels/val{}.txt", i)));
    std::size_t rows = 0;
    for (std::string line; std::getline(labels, line); ++rows) EXPECT_EQ(std::ranges::count(line, ' '), 5) << line;
    EXPECT_EQ(rows, 5u);
  }
  std::size_t crops = 0;
  for (const std::string& file : folder_.files()) crops += file.starts_with("runs/predict/crops/");
  EXPECT_EQ(crops, 20u);
  EXPECT_EQ(lines.count(fmt::format("image 4/4 {}: 64x64 ", image(3).string())), 2u) << lines.text();
  EXPECT_EQ(lines.count("postprocess per image at shape (1, 3, 64, 64)"), 2u) << lines.text();
  EXPECT_EQ(lines.count(fmt::format("4 label files in {}", (folder_ / "runs/predict/labels").string())), 1u);
  // Labels are replaced, not added to.
  o.set("exist_ok", true);
  const std::string before = folder_.read("runs/predict/labels/val0.txt");
  yolo.predict(images_, o);
  EXPECT_EQ(folder_.read("runs/predict/labels/val0.txt"), before);
}

TEST_F(Predict, SixteenBitsChangeResultsALittle) {
  if (!kernels::cpu_has_bf16()) GTEST_SKIP() << "this CPU has no bf16 instructions";
  YOLO yolo(model_);
  Overrides o = overrides();
  const std::vector<Results> full = yolo.predict(images_, o);
  o.set("half", true);
  const std::vector<Results> half = yolo.predict(images_, o);
  ASSERT_EQ(half.size(), full.size());
  int changed = 0;  // an image may round to the same scores
  for (std::size_t i = 0; i < full.size(); ++i) {
    ASSERT_EQ(half[i].boxes.size(), full[i].boxes.size());
    changed += half[i].boxes != full[i].boxes;
    // bf16 keeps 8 bits of each layer's results.
    EXPECT_NEAR(half[i].boxes[0].conf, full[i].boxes[0].conf, 0.05f * full[i].boxes[0].conf);
  }
  EXPECT_GT(changed, 0);
  Overrides val{{"data", data_.string()}, {"imgsz", 64}, {"workers", 0}, {"project", (folder_ / "runs").string()}};
  EXPECT_FALSE(yolo.val(val.set("quantize", 16)).values.empty());
  EXPECT_THROW(yolo.train({{"data", data_.string()}, {"quantize", 16}}), ArgumentError);
}

TEST_F(Predict, EqualNamesOfDifferentFoldersGetNumbers) {
  fs::create_directories(folder_ / "other/deep");
  fs::copy_file(image(0), folder_ / "other/val0.png");
  fs::copy_file(image(0), folder_ / "other/deep/val0.png");
  fs::copy_file(image(0), folder_ / "other/val0-2.png");
  Overrides o = overrides();
  YOLO(model_).predict(folder_ / "**/val0*.png", o.set("save", true));
  for (const char* name : {"val0.jpg", "val0-2.jpg", "val0-3.jpg"}) {
    EXPECT_TRUE(fs::exists(folder_ / "runs/predict" / name)) << name;
  }
  std::size_t pictures = 0;
  for (const std::string& file : folder_.files()) pictures += file.starts_with("runs/predict/");
  EXPECT_EQ(pictures, 4u);
}

TEST_F(Predict, UnreadableImagesAreNamedAndSkipped) {
  folder_.write("tinyds/images/val/val1b.png", "no picture");
  Lines lines;
  YOLO yolo(model_, lines.options());
  for (const int batch : {1, 2, 8}) {
    lines.all.clear();
    Overrides o = overrides();
    EXPECT_EQ(yolo.predict(images_, o.set("batch", batch)).size(), 4u);
    EXPECT_EQ(lines.count("val1b.png"), 1u) << lines.text();
    EXPECT_EQ(lines.count("the image is skipped"), 1u);
    EXPECT_EQ(lines.count("image 3/5"), 0u);
    EXPECT_EQ(lines.count(fmt::format("image 4/5 {}", image(2).string())), 1u) << lines.text();
  }
  EXPECT_THROW(yolo.predict(images_ / "val1b.png", overrides()), DataError);
}

TEST_F(Predict, BadSourcesAreRefusedAndLeaveNothing) {
  YOLO yolo(model_);
  Overrides o = overrides();
  o.set("save", true);
  fs::create_directories(folder_ / "empty");
  folder_.write("clip.mp4", "x");
  folder_.write("gone.txt", "no_such.jpg\n");
  folder_.write("stream.txt", "rtsp://camera/1\n");
  for (const fs::path& source : {folder_ / "missing.jpg", folder_ / "empty", folder_ / "*.jpg", folder_ / "gone.txt"}) {
    EXPECT_THROW(yolo.predict(source, o), DataError) << source;
  }
  const std::vector<fs::path> unsupported = {"0",
                                             "screen",
                                             "screen 1",
                                             "rtsp://a/b",
                                             "https://a/b.jpg",
                                             "list.streams",
                                             folder_ / "clip.mp4",
                                             folder_ / "stream.txt"};
  for (const fs::path& source : unsupported) EXPECT_THROW(yolo.predict(source, o), ArgumentError) << source;
  EXPECT_FALSE(fs::exists(folder_ / "runs"));
}

TEST_F(Predict, PicturesInMemoryGiveTheSameBoxesAsFiles) {
  Lines lines;
  YOLO yolo(model_, lines.options());
  const std::vector<Box> expected = yolo.predict(image(0), overrides()).at(0).boxes;
  ASSERT_EQ(expected.size(), 5u);
  const Image bgr = decode_image(image(0));
  const std::ptrdiff_t row = bgr.width * 3;
  std::vector<std::uint8_t> rgb = bgr.pixels, upwards;
  for (std::size_t p = 0; p < rgb.size(); p += 3) std::swap(rgb[p], rgb[p + 2]);
  for (int y = bgr.height - 1; y >= 0; --y) upwards.insert(upwards.end(), bgr.row(y), bgr.row(y) + row);
  const std::vector<ImageView> views = {{bgr.pixels.data(), bgr.width, bgr.height},
                                        {rgb.data(), bgr.width, bgr.height, row, Pixels::rgb8},
                                        {upwards.data() + (bgr.height - 1) * row, bgr.width, bgr.height, -row}};
  for (const ImageView& view : views) EXPECT_EQ(yolo.predict({&view, 1}, overrides()).at(0).boxes, expected);
  EXPECT_EQ(lines.count("0: 64x64 "), 3u) << lines.text();
  const std::vector<Results> all = yolo.predict(views, overrides());
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[2].path, "image2.jpg");
  EXPECT_EQ(all[2].crop(0).channels, 3);
  const std::vector<std::uint8_t> grey(64 * 64, 90);
  const std::vector<std::uint8_t> flat(64 * 64 * 3, 90);
  const ImageView grey_view{grey.data(), 64, 64, 0, Pixels::gray8}, flat_view{flat.data(), 64, 64};
  EXPECT_EQ(yolo.predict({&grey_view, 1}, overrides()).at(0).boxes,
            yolo.predict({&flat_view, 1}, overrides()).at(0).boxes);
  const std::vector<ImageView> bad = {
      {}, {grey.data(), 0, 64}, {grey.data(), 64, -1}, {grey.data(), 64, 64, 100}, {grey.data(), 1 << 20, 1 << 20}};
  for (const ImageView& view : bad) EXPECT_THROW(yolo.predict({&view, 1}, overrides()), ArgumentError);
  EXPECT_THROW(yolo.predict(std::span<const ImageView>{}, overrides()), ArgumentError);
}

// ---- hooks and callbacks

struct Hooked : DetectionPredictor {
  static inline int written = 0;
  void preprocess(Batch& batch) override { EXPECT_EQ(batch.images.shape(), (Shape{2, 64, 64, 3})); }
  void postprocess(Results& r) override { r.boxes.resize(1); }
  void write_results(const Results& r) override {
    ++written;
    EXPECT_EQ(r.boxes.size(), 0u);  // the callback below has taken the last one
    EXPECT_NE(r.image, nullptr);
    DetectionPredictor::write_results(r);
  }
};

struct Careless : DetectionPredictor {
  kernels::Detections detect(const TensorView&) override { return {}; }
};

TEST_F(Predict, HooksAndCallbacksSeeAndChangeResults) {
  YOLO yolo(model_);
  Overrides o = overrides();
  o.set("batch", 2);
  yolo.add_callback(events::on_predict_postprocess_end, [](BasePredictor& p) {
    EXPECT_EQ(p.args().batch.images, 2);
    EXPECT_EQ(p.results().size(), 2u);
    for (Results& r : p.results()) r.boxes.pop_back();
  });
  Hooked::written = 0;
  for (const Results& r : yolo.predict<Hooked>(images_, o)) EXPECT_TRUE(r.boxes.empty());
  EXPECT_EQ(Hooked::written, 4);
  EXPECT_THROW(yolo.predict<Careless>(images_, o), Error);
}

TEST_F(Predict, OneByOneUntilToldToStop) {
  YOLO yolo(model_);
  std::vector<fs::path> taken;
  yolo.predict_each(
      images_,
      [&](Results&& r) {
        taken.push_back(r.path);
        return taken.size() < 2;
      },
      overrides());
  EXPECT_EQ(taken, (std::vector<fs::path>{image(0), image(1)}));
  std::stop_source stop;
  Options options;
  options.stop = stop.get_token();
  YOLO stopped(model_, options);
  stopped.add_callback(events::on_predict_batch_end, [&](BasePredictor&) { stop.request_stop(); });
  EXPECT_EQ(stopped.predict(images_, overrides()).size(), 1u);
}

// ---- shapes and arguments

TEST_F(Predict, InputShapesFollowSizeRectAndBatch) {
  write_image(folder_ / "mixed/tall.png", Image{64, 30, 3, std::vector<std::uint8_t>(64 * 30 * 3, 50)});
  write_image(folder_ / "mixed/wide.png", Image{20, 64, 3, std::vector<std::uint8_t>(64 * 20 * 3, 50)});
  Lines lines;
  YOLO yolo(model_, lines.options());
  Overrides o = overrides();
  const auto shapes = [&](const Overrides& with) {
    lines.all.clear();
    Overrides all = overrides();
    EXPECT_EQ(yolo.predict(folder_ / "mixed", all.merge(with)).size(), 2u);
    std::vector<std::string> found;
    for (const std::string& line : lines.all) {
      const auto at = line.find(".png: ");
      if (at != std::string::npos) found.push_back(line.substr(at + 6, line.find(' ', at + 6) - at - 6));
    }
    return found;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(shapes({}), (Names{"64x32", "32x64"}));
  EXPECT_EQ(shapes({{"batch", 2}}), (Names{"64x64", "64x64"}));
  EXPECT_EQ(shapes({{"rect", false}}), (Names{"64x64", "64x64"}));
  EXPECT_EQ(shapes({{"imgsz", 50}, {"rect", false}}), (Names{"64x64", "64x64"}));
  EXPECT_EQ(lines.count("warning: imgsz=50x50 is no multiple"), 1u) << lines.text();
  EXPECT_EQ(shapes({{"imgsz", Setting::List{64, 96}}, {"rect", false}}), (Names{"64x96", "64x96"}));
}

TEST_F(Predict, ArgumentsAreTakenFromCheckpointFileAndCallInThatOrder) {
  Lines lines;
  YOLO yolo(checkpoint(96), lines.options());
  const auto run = [&](Overrides o) {
    lines.all.clear();
    return yolo.predict(image(0), o.set("project", (folder_ / "runs").string()));
  };
  EXPECT_TRUE(run({}).at(0).boxes.empty());  // conf=0.25
  EXPECT_EQ(lines.count(": 96x96 "), 1u) << lines.text();
  const std::string cfg = folder_.write("own.yaml", "conf: 0.0001\nimgsz: 128\nmax_det: 7\n").string();
  EXPECT_EQ(run({{"cfg", cfg}}).at(0).boxes.size(), 7u);
  EXPECT_EQ(lines.count(": 128x128 "), 1u) << lines.text();
  EXPECT_EQ(run({{"cfg", cfg}, {"max_det", 3}, {"imgsz", 64}}).at(0).boxes.size(), 3u);
  EXPECT_EQ(lines.count(": 64x64 "), 1u) << lines.text();
  // The data set of the training run.
  Overrides val{{"workers", 0}, {"plots", false}, {"project", (folder_ / "runs").string()}};
  EXPECT_EQ(yolo.val(val).values.size(), 4u);
  EXPECT_EQ(lines.count("is no multiple"), 0u);
  val.set("imgsz", 50).set("rect", false);
  EXPECT_EQ(yolo.val(val).values.size(), 4u);
  EXPECT_EQ(lines.count("warning: imgsz=50x50 is no multiple"), 1u) << lines.text();
  fs::remove(data_);
  EXPECT_THROW(YOLO(folder_ / "best.pt").val(val), ArgumentError);
}

TEST_F(Predict, ClassesAndLimitsFilter) {
  YOLO yolo(model_);
  Overrides o = overrides();
  const std::vector<Results> blue = yolo.predict(image(0), o.set("classes", 1));
  EXPECT_FALSE(blue.at(0).boxes.empty());
  for (const Box& b : blue[0].boxes) EXPECT_EQ(b.cls, 1);
  EXPECT_TRUE(yolo.predict(image(0), o.set("conf", 1.0)).at(0).boxes.empty());
}

TEST_F(Predict, RefusesWhatCannotBeDone) {
  EXPECT_THROW(YOLO("no_such.pt"), ArgumentError);
  EXPECT_THROW(YOLO("no_such.yaml"), Error);
  write_safetensors(folder_ / "bare.safetensors", RandomModel().tensors, {});
  EXPECT_THROW(YOLO(folder_ / "bare.safetensors"), ModelError);
  YOLO fresh(folder_.write("net.yaml", test::kTinyNetwork));
  EXPECT_THROW(fresh.predict(images_, overrides()), ArgumentError);
  EXPECT_THROW(fresh.val({{"data", data_.string()}}), ArgumentError);
  YOLO yolo(model_);
  EXPECT_THROW(yolo.val({}), ArgumentError);  // no data set is known
  Overrides gpu = overrides();
  EXPECT_THROW(yolo.predict(images_, gpu.set("device", "0,1")), DeviceError);
  EXPECT_THROW(yolo.predict(images_, {{"augment", true}}), ArgumentError);
}

}  // namespace
}  // namespace boxcar
