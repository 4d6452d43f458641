#include "boxcar/trainers/engine/predict_sources.h"

#include <gtest/gtest.h>

#include "support/folder.h"

namespace boxcar {
namespace {

namespace fs = std::filesystem;

TEST(PredictSources, AreFilesFoldersPatternsAndLists) {
  const test::Folder folder;
  const fs::path root = folder / "screenshots";
  for (const char* name : {"screenshots/b.JPG", "screenshots/a.png", "screenshots/.hidden.png", "screenshots/clip.avi",
                           "screenshots/notes.md", "screenshots/sub/c.bmp", "screenshots/sub/deep/a.png"}) {
    folder.write(name, "x");
  }
  const auto names = [&](const std::string& source) {
    std::vector<std::string> found;
    for (const fs::path& file : predict_sources(source)) found.push_back(file.lexically_relative(root).string());
    return found;
  };
  using Names = std::vector<std::string>;
  const std::string at = root.string();
  EXPECT_EQ(names(at + "/b.JPG"), Names{"b.JPG"});
  EXPECT_EQ(names(at), (Names{"a.png", "b.JPG"}));
  EXPECT_EQ(names(at + "/*"), (Names{"a.png", "b.JPG"}));
  EXPECT_EQ(names(at + "/**/a.*"), (Names{"a.png", "sub/deep/a.png"}));
  EXPECT_EQ(names(at + "/*/[cd].bmp"), Names{"sub/c.bmp"});
  EXPECT_EQ(names(at + "/**/**"), (Names{"a.png", "b.JPG", "sub/c.bmp", "sub/deep/a.png"}));
  const fs::path list = folder.write("screenshots/list.txt", "\n  sub/c.bmp \r\n" + at + "/b.JPG\nsub/deep\n./*.png");
  EXPECT_EQ(names(list.string()), (Names{"sub/c.bmp", "b.JPG", "sub/deep/a.png", "./a.png"}));
  const fs::path csv = folder.write("screenshots/list.csv", "source\na.png,\"sub/c.bmp\"\n");
  EXPECT_EQ(names(csv.string()), (Names{"a.png", "sub/c.bmp"}));
  std::vector<std::string> lines;
  predict_sources(at, Log([&](LogLevel, std::string_view text) { lines.emplace_back(text); }));
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("1 videos are left out"), std::string::npos) << lines[0];
}

}  // namespace
}  // namespace boxcar
