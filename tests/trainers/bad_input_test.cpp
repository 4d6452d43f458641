// What a user may get wrong, typed as a user would: one clear sentence, a sane exit status, nothing lost or left
// behind.
#include <gtest/gtest.h>

#include <algorithm>

#include "boxcar/data/image/encode.h"
#include "boxcar/trainers/checkpoint/checkpoint.h"
#include "boxcar/trainers/engine/results_csv.h"
#include "support/folder.h"
#include "support/pickles.h"
#include "support/process.h"
#include "support/tiny_dataset.h"

namespace boxcar {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

class BadInput : public testing::Test {
 protected:
  void SetUp() override {
    yaml_ = test::make_tiny_dataset(folder_ / "tinyds").string();
    model_ = folder_.write("net.yaml", test::kTinyNetwork).string();
  }
  Words train(Words more = {}) {
    Words words{"detect",  "train",    "data=" + yaml_, "model=" + model_, "epochs=1",
                "batch=2", "imgsz=64", "workers=0",     "plots=False"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  test::Finished boxcar(Words words) {
    words.insert(words.begin(), BOXCAR_BINARY);
    return test::run_program(words, folder_.path());
  }

  bool no_run_folder() { return !fs::exists(folder_ / "runs/detect") || fs::is_empty(folder_ / "runs/detect"); }

  // The last line is the error, and names what is wrong; no run folder remains.
  void expect_refused(const Words& words, int status, const std::string& part) {
    const test::Finished result = boxcar(words);
    EXPECT_EQ(result.status, status) << result.output;
    const std::string text = result.output.substr(0, result.output.find_last_not_of('\n') + 1);
    const std::string line = text.substr(text.rfind('\n') + 1);
    EXPECT_TRUE(line.starts_with("boxcar: ") && line.find(part) != std::string::npos)
        << "no '" << part << "' in the last line of: " << result.output;
    EXPECT_TRUE(no_run_folder());
  }

  test::Folder folder_;
  std::string yaml_, model_;
};

// ---- arguments

TEST_F(BadInput, ArgumentsAreRefusedWithTheNearestName) {
  expect_refused(train({"epoch=3"}), 2, "did you mean epochs");
  expect_refused(train({"epochs=many"}), 2, "epochs");
  expect_refused(train({"imgsz=-1"}), 2, "imgsz");
  expect_refused(train({"optimizer=Sgdd"}), 2, "optimizer");
  expect_refused({"detect", "trian"}, 2, "train");
  expect_refused({"train", "resume", "model=" + (folder_ / "no_such.pt").string()}, 1, "no_such.pt");
  expect_refused(train({"model=no_such.pt"}), 2, "no_such.pt");
  expect_refused(train({"model=no_such.yaml"}), 1, "no_such.yaml");
  expect_refused({"val", "data=" + yaml_}, 2, "model=");
}

// ---- data sets

TEST_F(BadInput, DataSetsThatAreNotThere) {
  expect_refused(train({"data=no_such.yaml"}), 1, "no_such.yaml");
  expect_refused(train({"data=" + folder_.write("broken.yaml", "train: [\n").string()}), 1, "broken.yaml");
  fs::create_directories(folder_ / "empty/images/train");
  const fs::path empty =
      folder_.write("empty.yaml", "path: " + (folder_ / "empty").string() +
                                      "\ntrain: images/train\nval: images/train\nnames: [red, blue]\n");
  expect_refused(train({"data=" + empty.string()}), 1, (folder_ / "empty/images/train").string());
  fs::remove_all(folder_ / "tinyds/labels");
  expect_refused(train(), 1, "has a label file");
}

TEST_F(BadInput, DamagedImagesAndLabelsAreNamedAndLeftAlone) {
  const auto jpeg = encode_jpeg(Image{64, 64, 3, std::vector<std::uint8_t>(64 * 64 * 3, 70)});
  const std::string sound(jpeg.begin(), jpeg.end());
  folder_.write("tinyds/images/train/cut.jpg", sound.substr(0, 40));
  folder_.write("tinyds/images/train/noise.jpg", std::string(500, '\x5a'));
  folder_.write("tinyds/images/train/mended.jpg", sound + "x");  // data behind the end marker: usable
  folder_.write("tinyds/labels/train/train0.txt", "0 0.5 0.5 0.25 0.25\n7 0.5 0.5 0.1 0.1\n");
  folder_.write("tinyds/labels/train/train1.txt", "0 0.5 0.5 nonsense 0.1\n");
  const auto contents = [&] {
    std::vector<std::string> all;
    for (const std::string& file : folder_.files()) {
      if (file.starts_with("tinyds/")) all.push_back(file + ": " + folder_.read(file));
    }
    return all;
  };
  const std::vector<std::string> before = contents();
  const test::Finished result = boxcar(train({"name=run"}));
  EXPECT_EQ(result.status, 0) << result.output;
  for (const char* named : {"cut.jpg: image left out", "noise.jpg: image left out", "mended.jpg: this JPEG",
                            "train0.txt is corrupt", "train1.txt is corrupt"}) {
    EXPECT_NE(result.output.find(named), std::string::npos) << named << " in " << result.output;
  }
  EXPECT_EQ(contents(), before);
  EXPECT_TRUE(fs::exists(folder_ / "runs/detect/run/weights/best.pt"));

  // Nothing usable is left: all faults in the message.
  fs::remove_all(folder_ / "runs");
  for (const char* good : {"train2.png", "train3.png", "mended.jpg"})
    fs::remove(folder_ / "tinyds/images/train" / good);
  const test::Finished refused = boxcar(train());
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.output.find("boxcar: train: none of the 4 images can be used"), std::string::npos)
      << refused.output;
  EXPECT_TRUE(no_run_folder());
}

// ---- checkpoints

TEST_F(BadInput, HostileCheckpointsRunNothing) {
  const fs::path trap = folder_ / "trap";
  // posix.system("touch trap"), as unpickling in the language it comes from would run it.
  const std::string call = test::global_op("posix", "system") + "(" + test::text_op("touch " + trap.string()) + "tR";
  const std::string file = test::write_pt(folder_, test::pickle_of(call)).string();
  expect_refused(train({"model=" + file}), 1, "file.pt");
  expect_refused({"train", "resume", "model=" + file}, 1, "file.pt");
  expect_refused({"val", "model=" + file, "data=" + yaml_}, 1, "file.pt");
  expect_refused({"predict", "model=" + file, "source=" + (folder_ / "tinyds/images/val").string()}, 1, "file.pt");
  expect_refused({"info", "model=" + file}, 1, "file.pt");
  EXPECT_FALSE(fs::exists(trap));
  const std::string noise = folder_.write("noise.pt", std::string(5000, '\x5a')).string();
  expect_refused(train({"model=" + noise}), 1, "noise.pt");
  const std::string cut = folder_.write("cut.pt", folder_.read("file.pt").substr(0, 300)).string();
  expect_refused(train({"model=" + cut}), 1, "cut.pt");
}

// ---- disks

// Runs the script as `sh -c` with the words behind it, in a mount table of its own.
test::Finished with_own_mounts(const std::string& script, const Words& words, const fs::path& folder) {
  Words all{"/usr/bin/unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh"};
  all.insert(all.end(), words.begin(), words.end());
  return test::run_program(all, folder);
}

bool can_mount() {
  const test::Folder folder;
  fs::create_directory(folder / "disk");
  return fs::exists("/usr/bin/unshare") && with_own_mounts("mount -t tmpfs none disk", {}, folder.path()).status == 0;
}
#define NEED_MOUNTS() \
  if (!can_mount()) GTEST_SKIP() << "no file systems can be mounted here"

TEST_F(BadInput, AFullDiskCostsACheckpointAndNotTheRun) {
  NEED_MOUNTS();
  fs::create_directory(folder_ / "disk");
  Words words{TROUBLED_RUN, "full-disk", "1", (folder_ / "disk").string()};
  const Words command = train({"epochs=4", "project=" + (folder_ / "disk").string(), "name=run"});
  words.insert(words.end(), command.begin(), command.end());
  const test::Finished result =
      with_own_mounts("mount -t tmpfs -o size=16m none disk && \"$@\"; status=$?; cp -r disk/run kept; exit $status",
                      words, folder_.path());
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_NE(result.output.find("epoch 3 is not saved: "), std::string::npos) << result.output;
  EXPECT_NE(result.output.find("No space left on device; training goes on"), std::string::npos) << result.output;
  EXPECT_NE(result.output.find("last.pt holds epoch 2\n"), std::string::npos) << result.output;
  EXPECT_EQ(Checkpoint::read(folder_ / "kept/weights/last.pt").epoch, -1);
  EXPECT_EQ(*read_results_csv(folder_ / "kept/results.csv").find("epoch"), (std::vector<double>{1, 2, 3, 4}));
  for (const std::string& file : folder_.files()) EXPECT_FALSE(file.ends_with(".tmp")) << file;
}

TEST_F(BadInput, AFullDiskAtTheEndIsAnError) {
  NEED_MOUNTS();
  fs::create_directory(folder_ / "disk");
  Words words{TROUBLED_RUN, "full-disk", "1", (folder_ / "disk").string()};
  const Words command = train({"epochs=3", "project=" + (folder_ / "disk").string(), "name=run"});
  words.insert(words.end(), command.begin(), command.end());
  const test::Finished result =
      with_own_mounts("mount -t tmpfs -o size=16m none disk && \"$@\"; status=$?; cp -r disk/run kept; exit $status",
                      words, folder_.path());
  EXPECT_EQ(result.status, 1) << result.output;
  EXPECT_NE(result.output.find("boxcar: cannot write "), std::string::npos) << result.output;
  EXPECT_EQ(Checkpoint::read(folder_ / "kept/weights/last.pt").epoch, 1);  // of the last epoch that was saved
}

TEST_F(BadInput, RunFoldersThatCannotBeWritten) {
  folder_.write("file", "no folder");
  expect_refused(train({"project=" + (folder_ / "file").string()}), 1, "cannot write the run folder");
  NEED_MOUNTS();
  fs::create_directory(folder_ / "disk");
  Words words = train({"project=" + (folder_ / "disk").string()});
  words.insert(words.begin(), BOXCAR_BINARY);
  const test::Finished result = with_own_mounts("mount -t tmpfs -o ro none disk && \"$@\"", words, folder_.path());
  EXPECT_EQ(result.status, 1);
  EXPECT_NE(result.output.find("cannot write the run folder"), std::string::npos) << result.output;
  EXPECT_NE(result.output.find("Read-only file system"), std::string::npos) << result.output;
}

TEST_F(BadInput, ADataSetThatCannotBeWrittenIsEnough) {
  NEED_MOUNTS();
  Words words = train({"name=run", "cache=ram"});
  words.insert(words.begin(), BOXCAR_BINARY);
  const test::Finished result = with_own_mounts(
      "mount --bind tinyds tinyds && mount -o remount,bind,ro tinyds && ! touch tinyds/x 2>/dev/null && \"$@\"", words,
      folder_.path());
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_EQ(result.output.find("warning"), std::string::npos) << result.output;
}

}  // namespace
}  // namespace boxcar
