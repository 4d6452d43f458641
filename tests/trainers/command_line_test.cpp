#include "boxcar/trainers/args/command_line.h"

#include <gtest/gtest.h>

#include "boxcar/runtime/base/error.h"
#include "boxcar/trainers/args/args.h"
#include "support/files.h"
#include "support/folder.h"
#include "trainers/expect_error.h"

namespace boxcar {
namespace {

using Kind = Command::Kind;

Command parse(std::string_view line) { return parse_command_line(split_words(line)); }

TEST(CommandLine, ReadsTaskModeAndArgumentsInAnyOrder) {
  for (const char* line : {"detect train epochs=3 data=x.yaml rect", "rect data=x.yaml train epochs=3 detect"}) {
    const Command c = parse(line);
    EXPECT_EQ(c.kind, Kind::run);
    EXPECT_EQ(c.task, "detect");
    EXPECT_EQ(c.mode, "train");
    EXPECT_EQ(*c.overrides.find("epochs"), Setting(3));
    EXPECT_EQ(*c.overrides.find("rect"), Setting(true));
    EXPECT_EQ(*c.overrides.find("mode"), Setting("train"));
    EXPECT_TRUE(c.warnings.empty());
  }
  EXPECT_EQ(parse("mode=val task=detect").mode, "val");
}

TEST(CommandLine, WithoutWordsIsHelp) {
  EXPECT_EQ(parse("").kind, Kind::help);
  const char* argv[] = {"boxcar"};
  EXPECT_EQ(parse_command_line(1, argv).kind, Kind::help);
  EXPECT_EQ(parse_command_line(0, nullptr).kind, Kind::help);
  const char* version[] = {"boxcar", "--version"};
  EXPECT_EQ(parse_command_line(2, version).kind, Kind::version);
}

TEST(CommandLine, TheFirstSpecialWordEndsIt) {
  EXPECT_EQ(parse("help").kind, Kind::help);
  EXPECT_EQ(parse("train --HELP nonsense=1").kind, Kind::help);
  EXPECT_EQ(parse("-h").kind, Kind::help);
  EXPECT_EQ(parse("v").kind, Kind::version);
  EXPECT_EQ(parse("checks help").kind, Kind::checks);
  EXPECT_EQ(parse("check").kind, Kind::checks);
  EXPECT_EQ(parse("cfg").kind, Kind::cfg);
  EXPECT_EQ(parse("c").kind, Kind::copy_cfg);
  EXPECT_EQ(parse("--copy-cfg").kind, Kind::copy_cfg);
  EXPECT_THROW(parse("nonsense=1 help"), ArgumentError);
}

TEST(CommandLine, RefusesWhatTheReferenceHasAndBoxcarDoesNot) {
  EXPECT_ERROR(
      ArgumentError, parse("settings reset"),
      "'settings': boxcar keeps no settings file: give folders as arguments (project=, data=) or in a file (cfg=)");
  for (const char* word : {"login", "logout", "solutions", "s", "--setting"})
    EXPECT_THROW(parse(word), ArgumentError) << word;
}

TEST(CommandLine, JoinsWhatTheShellSplit) {
  for (const char* line : {"train epochs = 3", "train epochs= 3", "train epochs =3", "train epochs=3"})
    EXPECT_EQ(*parse(line).overrides.find("epochs"), Setting(3)) << line;
  const Command c = parse("train imgsz=[3, 640 ] rect classes= [0, 1]");
  EXPECT_EQ(*c.overrides.find("imgsz"), Setting(Setting::List{3, 640}));
  EXPECT_EQ(*c.overrides.find("classes"), Setting(Setting::List{0, 1}));
  EXPECT_EQ(*c.overrides.find("rect"), Setting(true));
  EXPECT_EQ(*parse("train data=a=b.yaml").overrides.find("data"), Setting("a=b.yaml"));
  EXPECT_ERROR(ArgumentError, parse("train imgsz=[3, 640"), "'imgsz=[3,640' has a '[' that is never closed");
  EXPECT_ERROR(ArgumentError, parse("= 3"), "'=' has no argument name before the '='");
  EXPECT_ERROR(ArgumentError, parse("train epochs ="), "argument 'epochs' has no value: write key=value");
  EXPECT_THROW(parse("train =3"), ArgumentError);
}

TEST(CommandLine, DropsDashesAndCommasWithAWarning) {
  const Command c = parse("train --epochs=3, --rect");
  EXPECT_EQ(*c.overrides.find("epochs"), Setting(3));
  EXPECT_EQ(*c.overrides.find("rect"), Setting(true));
  EXPECT_EQ(c.warnings,
            (std::vector<std::string>{"'--epochs=3,' is read as 'epochs=3'", "'--rect' is read as 'rect'"}));
}

TEST(CommandLine, TakesSwitchesAloneAndNothingElse) {
  EXPECT_EQ(*parse("train resume").overrides.find("resume"), Setting(true));
  EXPECT_EQ(*parse("train nms").overrides.find("nms"), Setting(true));
  EXPECT_EQ(*parse("val half").overrides.find("quantize"), Setting(16));
  EXPECT_ERROR(ArgumentError, parse("train epochs"), "argument 'epochs' needs a value: write epochs=100");
  EXPECT_ERROR(ArgumentError, parse("trian"), "unknown argument 'trian', did you mean train or track?");
  EXPECT_ERROR(ArgumentError, parse("train epoch=3"), "unknown argument 'epoch', did you mean epochs=100?");
  EXPECT_ERROR(ArgumentError, parse("train data"), "argument 'data' needs a value: write data=None");
}

TEST(CommandLine, TakesTrainWhereNoModeIsGiven) {
  const Command c = parse("epochs=3");
  EXPECT_EQ(c.mode, "train");
  EXPECT_EQ(c.warnings.size(), 1u);
  EXPECT_FALSE(parse("cfg=x.yaml").overrides.contains("mode"));
}

TEST(CommandLine, ReadsTrackAsAMode) {
  const Command c = parse("task=track model=x.pt");
  EXPECT_EQ(c.mode, "track");
  EXPECT_EQ(c.task, "detect");
  EXPECT_THROW(Args::from(c.overrides), ArgumentError);
}

TEST(CommandLine, HasWordsOfItsOwn) {
  const Command info = parse("info model = yolo11n.yaml imgsz=320 traffic");
  EXPECT_EQ(info.kind, Kind::info);
  EXPECT_EQ(info.values.at("model"), Setting("yolo11n.yaml"));
  EXPECT_EQ(info.values.at("imgsz"), Setting(320));
  EXPECT_EQ(info.values.at("traffic"), Setting(true));
  const Command plan = parse("plan model=yolo11m.yaml imgsz=640 batch=64 amp=False");
  EXPECT_EQ(plan.kind, Kind::plan);
  EXPECT_EQ(plan.values.at("batch"), Setting(64));
  EXPECT_EQ(plan.values.at("amp"), Setting(false));
  EXPECT_ERROR(ArgumentError, parse("plan batch=2"), "'boxcar plan' needs model=");
  const Command check = parse("data check data=1");
  EXPECT_EQ(check.kind, Kind::data);
  EXPECT_EQ(check.sub_word, "check");
  EXPECT_EQ(check.values.at("data"), Setting("1"));
  EXPECT_ERROR(ArgumentError, parse("data"), "'boxcar data' is followed by check, convert or shapes");
  EXPECT_ERROR(ArgumentError, parse("data chekc"),
               "'boxcar data' is followed by check, convert or shapes, not 'chekc'");
  EXPECT_ERROR(ArgumentError, parse("info"), "'boxcar info' needs model=");
  EXPECT_ERROR(ArgumentError, parse("info modle=x"), "unknown argument 'modle' of 'boxcar info', did you mean model?");
  EXPECT_ERROR(ArgumentError, parse("info qq"),
               "unknown argument 'qq' of 'boxcar info'; it takes model, imgsz, traffic");
  EXPECT_ERROR(ArgumentError, parse("info model"), "argument 'model' of 'boxcar info' has no value: write model=value");
  EXPECT_THROW(parse("info model=x imgsz=-1"), ArgumentError);
  EXPECT_ERROR(ArgumentError, parse("info model=x detailed"),
               "unknown argument 'detailed' of 'boxcar info'; it takes model, imgsz, traffic");
  EXPECT_THROW(parse("info model=x traffic=3"), ArgumentError);
  EXPECT_THROW(parse("info model=x traffic=n"), ArgumentError);
  EXPECT_THROW(parse("info model=x traffic="), ArgumentError);
}

TEST(CommandLine, ReportsOldSpellingsOnce) {
  const Command c = parse("predict hide_labels=True");
  ASSERT_EQ(c.overrides.warnings().size(), 1u);
  EXPECT_EQ(c.overrides.warnings()[0], "'hide_labels' is an old name; 'show_labels=False' is used");
}

TEST(CommandLine, PrintsItsVersionAndHelp) {
  EXPECT_FALSE(version_text().empty());
  EXPECT_NE(help_text().find(version_text()), std::string::npos);
}

TEST(CommandLine, CopiesTheDefaultsOnce) {
  const test::Folder folder;
  const auto file = copy_default_config(folder.path());
  EXPECT_EQ(file.filename(), "default_copy.yaml");
  const Args args = Args::from({{"cfg", file.string()}});
  EXPECT_EQ(args.epochs, 100);
  EXPECT_THROW(copy_default_config(folder.path()), IoError);
  EXPECT_THROW(copy_default_config(folder.path() / "none"), IoError);
}

}  // namespace
}  // namespace boxcar
