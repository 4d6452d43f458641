#include "boxcar/data/dataset/image_list.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "boxcar/runtime/base/error.h"
#include "support/folder.h"
#include "support/golden.h"

namespace boxcar {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> listed(const test::Folder& folder, std::vector<fs::path> sources) {
  std::vector<std::string> names;
  for (const fs::path& p : list_images(sources)) names.push_back(p.lexically_relative(folder.path()).string());
  return names;
}

TEST(LabelPath, MatchesGolden) {
  BOXCAR_NEED_SHARED();
  const auto golden = test::read_json(test::shared("golden/data/paths.json"));
  for (const auto& pair : golden["img2label"])
    EXPECT_EQ(label_path(pair[0].get<std::string>()), pair[1].get<std::string>());
  for (const auto& suffix : golden["image_suffixes"]) EXPECT_TRUE(has_image_suffix("a." + suffix.get<std::string>()));
  EXPECT_FALSE(has_image_suffix("a.gif"));
  EXPECT_FALSE(has_image_suffix("png"));
}

TEST(ListImages, FoldersAreSearchedThroughAndHiddenThingsLeftOut) {
  const test::Folder folder;
  for (const char* name :
       {"d/b.JPG", "d/a.png", "d/Z.bmp", "d/sub/c.jpeg", "d/.hidden.jpg", "d/.git/x.jpg", "d/t.txt", "d/nodot"})
    folder.write(name, "x");
  EXPECT_EQ(listed(folder, {folder / "d"}),
            (std::vector<std::string>{"d/Z.bmp", "d/a.png", "d/b.JPG", "d/sub/c.jpeg"}));
}

TEST(ListImages, LinksAreFollowedButNotInCircles) {
  const test::Folder folder;
  folder.write("d/a.jpg", "x");
  folder.write("other/b.jpg", "x");
  fs::create_directory_symlink(folder / "other", folder / "d/link");
  fs::create_directory_symlink(folder / "d", folder / "d/circle");
  fs::create_symlink(folder / "nowhere", folder / "d/broken.jpg");
  EXPECT_EQ(listed(folder, {folder / "d"}), (std::vector<std::string>{"d/a.jpg", "d/link/b.jpg"}));
}

TEST(ListImages, TextFilesAndListsOfSources) {
  const test::Folder folder;
  folder.write("d/a.jpg", "x");
  const auto list = folder.write(
      "lists/l.txt", "\xEF\xBB\xBF./x/one.png\r\n\n  " + (folder / "d/z.jpg").string() + "  \nnotes\n./x/two.gif");
  EXPECT_EQ(listed(folder, {list, folder / "d"}), (std::vector<std::string>{"d/a.jpg", "d/z.jpg", "lists/x/one.png"}));
}

TEST(ListImages, RefusesWhatIsNotThereOrEmpty) {
  const test::Folder folder;
  folder.write("d/t.txt", "x");
  EXPECT_THROW(list_images(std::vector{folder / "nope"}), DataError);
  EXPECT_THROW(list_images(std::vector{folder / "d"}), DataError);
  EXPECT_THROW(list_images(std::vector<fs::path>{}), DataError);
}

TEST(FractionCount, SharesAndNumbers) {
  EXPECT_EQ(fraction_count(10, 1.0), 10u);
  EXPECT_EQ(fraction_count(10, 0.25), 2u);  // 2.5 to even
  EXPECT_EQ(fraction_count(10, 0.35), 4u);  // 3.5 to even
  EXPECT_EQ(fraction_count(10, 0.001), 1u);
  EXPECT_EQ(fraction_count(10, 3), 3u);
  EXPECT_EQ(fraction_count(10, 30), 10u);
  EXPECT_EQ(fraction_count(1, 0.5), 1u);
  for (const double bad : {0.0, -1.0, 1.5, std::numeric_limits<double>::quiet_NaN()})
    EXPECT_THROW(fraction_count(10, bad), ArgumentError) << bad;
  EXPECT_EQ(fraction_count(10, std::numeric_limits<double>::infinity()), 10u);
}

}  // namespace
}  // namespace boxcar
