#include "boxcar/data/loader/batch_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "support/golden.h"

namespace boxcar {
namespace {

using Indices = std::vector<std::size_t>;

TEST(BatchOrder, ShuffleIsAPermutationKeyedBySeedAndEpoch) {
  Indices all(100);
  std::iota(all.begin(), all.end(), std::size_t{0});
  const Indices a = shuffled(100, 1, 2);
  EXPECT_TRUE(std::ranges::is_permutation(a, all));
  EXPECT_EQ(a, shuffled(100, 1, 2));
  EXPECT_NE(a, shuffled(100, 1, 3));
  EXPECT_NE(a, shuffled(100, 2, 2));
  EXPECT_TRUE(shuffled(0, 1, 2).empty());
}

TEST(BatchOrder, PartnersAreTheLastImagesOfTheOrder) {
  const Indices before = shuffled(10, 1, 4), order = shuffled(10, 1, 5);
  const Partners partners(10, 1, 5, 3);
  const auto of = [&](std::size_t position) {
    const auto span = partners.of(position);
    return Indices(span.begin(), span.end());
  };
  EXPECT_EQ(of(0), (Indices{before[8], before[9], order[0]}));
  EXPECT_EQ(of(1), (Indices{before[9], order[0], order[1]}));
  EXPECT_EQ(of(9), (Indices{order[7], order[8], order[9]}));
  EXPECT_EQ(of(10), of(0));
}

TEST(BatchOrder, AllImagesArePartnersWhereTheyAreFew) {
  for (const std::size_t most : {10, 11}) {
    const Partners partners(10, 1, 5, most);
    const auto span = partners.of(3);
    EXPECT_TRUE(std::ranges::is_permutation(Indices(span.begin(), span.end()), shuffled(10, 1, 0)));
  }
}

TEST(BatchOrder, LastBatchIsKept) {
  const auto batches = split_batches(Indices{5, 4, 3, 2, 1}, 2, {32, 64});
  ASSERT_EQ(batches.size(), 3u);
  EXPECT_EQ(batches[2].indices, Indices{1});
  EXPECT_EQ(batches[2].shape, (ResizedSize{32, 64}));
}

TEST(BatchOrder, ShardsAreEqualAndFilledFromTheStart) {
  const Indices five{9, 8, 7, 6, 5};
  EXPECT_EQ(shard(five, 0, 2), (Indices{9, 7, 5}));
  EXPECT_EQ(shard(five, 1, 2), (Indices{8, 6, 9}));
  EXPECT_EQ(shard(five, 0, 1), five);
  EXPECT_EQ(shard(Indices{3}, 2, 4), Indices{3});
}

TEST(BatchOrder, ValidationRanksTakeRunsOfWholeBatches) {
  const auto batches = split_batches(Indices{0, 1, 2, 3, 4}, 1, {});
  const auto sizes = [&](int ranks) {
    std::vector<std::size_t> n;
    for (int r = 0; r < ranks; ++r) n.push_back(shard_batches(batches, r, ranks).size());
    return n;
  };
  EXPECT_EQ(sizes(2), (Indices{3, 2}));
  EXPECT_EQ(sizes(3), (Indices{2, 2, 1}));
  EXPECT_EQ(sizes(6), (Indices{1, 1, 1, 1, 1, 0}));
  EXPECT_EQ(shard_batches(batches, 1, 2).front().indices, Indices{3});
}

TEST(BatchOrderGolden, Rect) {
  BOXCAR_NEED_SHARED();
  const auto cases = test::read_json(test::shared("golden/data/rect.json"))["cases"];
  ASSERT_EQ(cases.size(), 7u);
  for (const auto& c : cases) {
    std::vector<Dataset::Size> sizes;
    for (const auto& s : c["shapes_hw"]) sizes.push_back({s[0], s[1]});
    const auto batches = rect_batches(sizes, c["batch"], c["imgsz"], c["stride"], c["pad"]);
    const auto order = c["order"].get<Indices>();
    ASSERT_EQ(batches.size(), c["batch_shapes_hw"].size());
    std::size_t k = 0;
    for (std::size_t b = 0; b < batches.size(); ++b) {
      const auto& shape = c["batch_shapes_hw"][b];
      EXPECT_EQ(batches[b].shape, (ResizedSize{shape[0], shape[1]})) << b;
      for (const std::size_t i : batches[b].indices) {
        EXPECT_EQ(c["batch_of_image"][k].get<std::size_t>(), b);
        const auto aspect = [&](std::size_t j) { return double(sizes[j].height) / sizes[j].width; };
        EXPECT_EQ(aspect(i), aspect(order[k])) << k;  // ties may come in any order
        ++k;
      }
    }
    EXPECT_EQ(k, order.size());
  }
}

}  // namespace
}  // namespace boxcar
