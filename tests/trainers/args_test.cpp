#include "boxcar/trainers/args/args.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "boxcar/runtime/base/error.h"
#include "boxcar/trainers/args/table.h"
#include "support/files.h"
#include "support/folder.h"
#include "support/golden.h"
#include "trainers/expect_error.h"

namespace boxcar {
namespace {

TEST(ArgumentTable, CoversTheDefaultFileInItsOrder) {
  std::vector<std::string> in_file;
  for (const auto& [key, value] : default_settings()) in_file.push_back(key);
  EXPECT_EQ(in_file, argument_names());
  EXPECT_EQ(std::set<std::string>(in_file.begin(), in_file.end()).size(), in_file.size());
}

TEST(ArgumentTable, GivesBackEveryDefault) {
  const Args args;
  for (const auto& [key, value] : default_settings()) EXPECT_EQ(args.get(key), value) << key;
}

TEST(ArgumentTable, DefaultsAreAcceptedAndWrittenBack) {
  Overrides all;
  for (const auto& [key, value] : default_settings()) all.set(key, value);
  const Args args = Args::from(all);
  EXPECT_EQ(Args::from_yaml(args.to_yaml(), "args.yaml").to_yaml(), args.to_yaml());
}

TEST(ArgumentTable, EveryTypedArgumentRefusesNullUnlessThatIsItsDefault) {
  // Kept as false: "no pretrained weights" and "no checkpoint" are often written as null.
  const std::set<std::string> null_is_false{"pretrained", "resume"};
  for (const auto& [key, value] : default_settings()) {
    Args args;
    if (value.is_null() || null_is_false.contains(key))
      EXPECT_NO_THROW(args.set(key, nullptr)) << key;
    else if (key == "device")
      continue;
    else
      EXPECT_THROW(args.set(key, nullptr), ArgumentError) << key;
  }
}

TEST(ArgumentTable, EverySwitchRefusesOneAndText) {
  for (const auto& [key, value] : default_settings()) {
    if (!value.is_bool()) continue;
    Args args;
    EXPECT_THROW(args.set(key, 1), ArgumentError) << key;
    EXPECT_THROW(args.set(key, Setting::List{true}), ArgumentError) << key;
  }
}

TEST(ArgumentTable, NumbersRefuseWhatIsNotFinite) {
  for (const auto& [key, value] : default_settings()) {
    if (!value.is_number()) continue;
    Args args;
    EXPECT_THROW(args.set(key, std::numeric_limits<double>::infinity()), ArgumentError) << key;
    EXPECT_THROW(args.set(key, std::nan("")), ArgumentError) << key;
    EXPECT_THROW(args.set(key, true), ArgumentError) << key;
    EXPECT_THROW(args.set(key, "0.5"), ArgumentError) << key;
  }
}

TEST(Args, WritesTheReferencesFile) {
  BOXCAR_NEED_SHARED();
  const std::string golden = test::read_plainly(test::shared("golden/trainer/args.yaml"));
  const Args args = Args::from_yaml(golden, "args.yaml");
  EXPECT_EQ(args.to_yaml(), golden + "threads: 0\ncuda_graphs: true\ngpu_render: true\n");
  EXPECT_EQ(args.epochs, 3);
  EXPECT_EQ(args.save_dir, "runs/detect/train");
}

TEST(Args, PrintsTheReferencesLine) {
  BOXCAR_NEED_SHARED();
  const std::string console = test::read_plainly(test::shared("golden/trainer/console.txt"));
  const std::string begin = "engine/trainer: ";
  const auto at = console.find(begin) + begin.size();
  std::string line = console.substr(at, console.find('\n', at) - at);
  line.insert(line.find(", time="), ", threads=0");
  line.insert(line.find(", cutmix="), ", cuda_graphs=True");
  line.insert(line.find(", hsv_h="), ", gpu_render=True");
  EXPECT_EQ(Args::from_yaml(test::read_plainly(test::shared("golden/trainer/args.yaml")), "args.yaml").to_line(), line);
}

TEST(Args, DefaultsAgreeWithTheFacts) {
  BOXCAR_NEED_SHARED();
  const Args facts = Args::from_yaml(test::read_plainly(test::shared("spec/default-args.yaml")), "default-args.yaml");
  EXPECT_EQ(facts.to_yaml(), Args().to_yaml());
}

TEST(Args, SayWhatIsWrongInOneSentence) {
  const auto from = [](std::string_view words) { return Args::from(Overrides::parse(words)); };
  EXPECT_ERROR(ArgumentError, from("epochs=0"), "argument 'epochs' must be an integer of at least 1, not 0");
  EXPECT_ERROR(ArgumentError, from("epochs=1.5"), "argument 'epochs' must be an integer of at least 1, not 1.5");
  EXPECT_ERROR(ArgumentError, from("epochs=x"), "argument 'epochs' must be an integer of at least 1, not 'x'");
  EXPECT_ERROR(ArgumentError, from("lr0=2"), "argument 'lr0' must be a number from 0 to 1, not 2");
  EXPECT_ERROR(ArgumentError, from("save=1"), "argument 'save' must be True or False, not 1");
  EXPECT_ERROR(ArgumentError, from("save=\"'True'\""), "argument 'save' must be True or False, not 'True'");
  EXPECT_ERROR(ArgumentError, from("degrees=[1]"), "argument 'degrees' must be a number, not [1]");
  EXPECT_ERROR(
      ArgumentError, from("optimizer=sdg"),
      "argument 'optimizer' must be SGD, MuSGD, Adam, Adamax, AdamW, NAdam, RAdam, RMSProp or auto, not 'sdg'");
  EXPECT_ERROR(ArgumentError, from("seed=99999999999"),
               "argument 'seed' must be an integer of at least 0, not 99999999999");
  EXPECT_ERROR(ArgumentError, from("copy_paste_mode=cut"),
               "argument 'copy_paste_mode' must be flip or mixup, not 'cut'");
  for (const char* batch : {"0", "-2", "1.5", "-0.5", "many", "True"}) {
    const std::string shown = batch == std::string("many") ? "'many'" : batch;
    EXPECT_ERROR(ArgumentError, from(std::string("batch=") + batch),
                 "argument 'batch' must be a number of images, -1 (as many as fit) or a share of the memory such as "
                 "0.7, not " +
                     shown);
  }
  EXPECT_ERROR(ArgumentError, from("mode=val batch=-1"),
               "argument 'batch' must be a number of images in mode=val; -1 is for training");
  EXPECT_ERROR(ArgumentError, from("imgsz=0"),
               "argument 'imgsz' must be an integer or [height, width] from 1 to 32768, not 0");
}

TEST(Args, RefuseWhatIsNotSupportedYetByName) {
  const auto from = [](std::string_view words) { return Args::from(Overrides::parse(words)); };
  EXPECT_ERROR(ArgumentError, from("distill_model=x.pt"),
               "argument 'distill_model' is not supported yet; leave it at distill_model=None");
  EXPECT_ERROR(ArgumentError, from("pose=3"), "argument 'pose' has no meaning for detection; leave it at pose=12.0");
  EXPECT_ERROR(ArgumentError, from("mode=export"),
               "argument 'mode' does not support 'export' yet; use train, val or predict");
  for (const char* words : {"cache=disk", "task=segment", "augment", "nms=False", "int8", "data=\"['a.yaml']\"",
                            "source=0", "source=rtsp://x", "format=onnx", "embed=[1]", "compile", "show",
                            "vid_stride=2", "mode=track", "mode=benchmark"}) {
    EXPECT_THROW(from(words), ArgumentError) << words;
  }
  EXPECT_NO_THROW(from("pose=12 nms=True augment=False vid_stride=1"));
}

TEST(Args, KeepSpecialFormsAsDocumented) {
  const auto from = [](std::string_view words) { return Args::from(Overrides::parse(words)); };
  EXPECT_EQ(from("optimizer=musgd").optimizer, "MuSGD");
  EXPECT_EQ(from("amp=BF16").amp, Setting("bf16"));
  EXPECT_EQ(from("epochs=1e2").epochs, 100);
  EXPECT_EQ(from("batch=8.0").batch.images, 8);
  EXPECT_EQ(from("batch=-1").batch, (BatchSize{0, 0}));
  EXPECT_EQ(from("batch=-1").batch.memory_share(), 0.6);
  EXPECT_EQ(from("batch=0.7").batch, (BatchSize{0, 0.7}));
  for (const char* batch : {"-1", "0.7", "8"}) {
    EXPECT_EQ(from(std::string("batch=") + batch).get("batch"), parse_setting(batch));
  }
  EXPECT_TRUE(from("cache=ram").cache_in_ram());
  EXPECT_TRUE(from("cache").cache_in_ram());
  EXPECT_FALSE(from("cache=False").cache_in_ram());
  EXPECT_EQ(Args::from({{"project", 7}, {"name", 1.5}}).project, "7");
  EXPECT_EQ(from("name=model model=a/b.pt").name, "b");
  EXPECT_EQ(from("pretrained=w.pt").pretrained, Setting("w.pt"));
  EXPECT_EQ(from("save_dir=x/y").save_dir, "x/y");
}

TEST(Args, ReduceAPairOfSizesExceptForPredict) {
  std::vector<std::string> log;
  const Log sink([&](LogLevel, std::string_view m) { log.emplace_back(m); });
  const Args train = Args::from(Overrides::parse("imgsz=[320,640]"), sink);
  EXPECT_EQ(train.imgsz, (ImageSize{640, 640}));
  ASSERT_EQ(log.size(), 1u);
  EXPECT_EQ(log[0], "mode=train uses square images; imgsz=[320, 640] is reduced to 640");
  const Args predict = Args::from(Overrides::parse("mode=predict imgsz=320,640"));
  EXPECT_EQ(predict.imgsz, (ImageSize{320, 640}));
  EXPECT_NE(predict.to_yaml().find("imgsz:\n- 320\n- 640\n"), std::string::npos);
  EXPECT_EQ(Args::from_yaml(predict.to_yaml(), "x").imgsz, predict.imgsz);
  EXPECT_THROW(Args::from(Overrides::parse("imgsz=[1,2,3]")), ArgumentError);
  EXPECT_THROW(Args::from(Overrides::parse("imgsz=[]")), ArgumentError);
}

TEST(Args, KeepAFractionOfTheImages) {
  const auto kept = [](std::string_view fraction, std::string_view split, std::size_t total) {
    Args args;
    args.set("fraction", parse_setting(fraction));
    return args.images_kept(split, total);
  };
  EXPECT_EQ(kept("1", "train", 10), 10u);
  EXPECT_EQ(kept("0.25", "train", 10), 2u);  // 2.5 rounds to even
  EXPECT_EQ(kept("0.01", "train", 10), 1u);
  EXPECT_EQ(kept("0.25", "val", 10), 10u);
  EXPECT_EQ(kept("4", "train", 10), 4u);
  EXPECT_EQ(kept("40", "train", 10), 10u);
  EXPECT_EQ(kept("[0.5, 3]", "val", 10), 3u);
  EXPECT_EQ(kept("[0.5, 3]", "test", 10), 10u);
  EXPECT_EQ(kept("0.5", "train", 0), 0u);
  EXPECT_NO_THROW(kept("[0.5,0.5,0]", "train", 10));
  for (const char* bad : {"0", "1.5", "-1", "True", "[0.5]", "[0,1]", "[1,1,1,1]", "'x'", "none", "1e400"})
    EXPECT_THROW(kept(bad, "train", 10), ArgumentError) << bad;
  EXPECT_THROW(Args().images_kept("tset", 3), ArgumentError);
}

TEST(Args, ListFrozenLayersAndClasses) {
  Args args;
  EXPECT_TRUE(args.frozen_layers().empty());
  args.set("freeze", 2);
  EXPECT_EQ(args.frozen_layers(), (std::vector<std::string>{"0", "1"}));
  args.set("freeze", Setting::List{3, "23.cv2"});
  EXPECT_EQ(args.frozen_layers(), (std::vector<std::string>{"3", "23.cv2"}));
  EXPECT_THROW(args.set("freeze", "3"), ArgumentError);
  EXPECT_THROW(args.set("freeze", -1), ArgumentError);
  EXPECT_FALSE(args.class_filter());
  args.set("classes", 2);
  EXPECT_EQ(args.class_filter(), std::vector<int>{2});
  args.set("classes", Setting::List{0, 2});
  EXPECT_EQ(args.class_filter(), (std::vector<int>{0, 2}));
  EXPECT_THROW(args.set("classes", Setting::List{-1}), ArgumentError);
}

TEST(Args, TakeScaleAsAShareOrAPair) {
  Args args;
  EXPECT_EQ(args.scale_range(), std::pair(0.5, 1.5));
  args.set("scale", Setting::List{0.8, 2});
  EXPECT_EQ(args.scale_range(), std::pair(0.8, 2.0));
  for (const Setting& bad : {Setting(1.5), Setting(Setting::List{1}), Setting(Setting::List{0, 1}), Setting("1")})
    EXPECT_THROW(args.set("scale", bad), ArgumentError) << bad.to_text();
}

TEST(Args, PutTheCfgFileBetweenDefaultsAndOverrides) {
  const test::Folder folder;
  const auto file = test::write_plainly(folder / "mine.yaml",
                                        "epochs: 7\nbatch: 4  # small\nclasses: [0, 1]\nname: '3'\nrect: yes\n");
  const Args args = Args::from({{"batch", 2}, {"cfg", file.string()}});
  EXPECT_EQ(args.epochs, 7);
  EXPECT_EQ(args.batch.images, 2);
  EXPECT_EQ(args.name, "3");
  EXPECT_TRUE(args.rect);
  EXPECT_EQ(args.cfg, file.string());
  EXPECT_EQ(args.class_filter(), (std::vector<int>{0, 1}));
}

TEST(Args, RefuseBadFiles) {
  const test::Folder folder;
  const auto error_of = [&](const std::string& text) {
    const auto file = test::write_plainly(folder / "bad.yaml", text);
    try {
      Args::from({{"cfg", file.string()}});
    } catch (const ArgumentError& e) {
      return std::string(e.what()).substr(file.string().size());
    }
    return std::string("no error");
  };
  EXPECT_EQ(error_of("epoch: 3\n"), ": unknown argument 'epoch', did you mean epochs=100?");
  EXPECT_EQ(error_of("epochs: 3\nepochs: 4\n"), ": argument 'epochs' is given twice");
  EXPECT_EQ(error_of("- 1\n"), ": must hold lines of the form 'argument: value'");
  EXPECT_EQ(error_of("a: &x 1\nb: *x\n"), ": line 2 is not valid YAML: aliases are not supported");
  EXPECT_EQ(error_of("epochs: {a: 1}\n"), ": line 1: the value of 'epochs' must be a single value or a list of them");
  EXPECT_EQ(error_of("cfg: other.yaml\n"), ": a cfg file cannot name another with 'cfg'");
  EXPECT_NE(error_of("epochs: [1\n"), "no error");
  EXPECT_NE(error_of("epochs: " + std::string(200000, '[')), "no error");
  EXPECT_EQ(error_of(""), "no error");
  EXPECT_THROW(Args::from({{"cfg", "/nowhere.yaml"}}), IoError);
  EXPECT_THROW(Args::from({{"cfg", folder.path().string()}}), IoError);
  EXPECT_THROW(Args::from({{"cfg", 3}}), ArgumentError);
}

TEST(Args, CheckThatAModeHasItsInputs) {
  const auto check = [](std::string_view words) { check_inputs(Args::from(Overrides::parse(words))); };
  EXPECT_THROW(check("mode=train data=x"), ArgumentError);
  EXPECT_THROW(check("mode=train model=x"), ArgumentError);
  EXPECT_THROW(check("mode=predict model=x"), ArgumentError);
  EXPECT_NO_THROW(check("mode=train model=x data=y"));
  EXPECT_NO_THROW(check("mode=train resume=last.pt"));
  EXPECT_NO_THROW(check("mode=val model=x"));
  EXPECT_NO_THROW(check("mode=predict model=x source=y"));
}

}  // namespace
}  // namespace boxcar
