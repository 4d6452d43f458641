// Whole validation inputs: from an image file to a picture of a batch.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "augment_support.h"
#include "boxcar/data/image/decode.h"
#include "boxcar/data/loader/make_sample.h"

namespace boxcar {
namespace {

/// One image file with its labels.
class OneImage : public Dataset {
 public:
  OneImage(std::filesystem::path file, std::vector<BoxLabel> labels)
      : file_(std::move(file)), labels_(std::move(labels)) {}
  std::size_t size() const override { return 1; }
  Sample get(std::size_t) const override { return {file_, decode_image(file_), labels_}; }

 private:
  std::filesystem::path file_;
  std::vector<BoxLabel> labels_;
};

TEST(ValidationInputGolden, SquareAndRect) {
  BOXCAR_NEED_SHARED();
  const auto tensors = test::read_golden(test::shared("golden/data/val.safetensors"));
  const auto cases = test::read_json(test::shared("golden/data/val.json"))["cases"];
  ASSERT_EQ(cases.size(), 6u);
  for (const auto& c : cases) {
    const std::string file = c["file"], number = file.substr(4, 1), key = c["img"];
    const auto dataset =
        std::make_shared<OneImage>(test::shared("golden/data") / file,
                                   test::labels_from(tensors.at("cls_" + number), tensors.at("xywhn_" + number)));
    ImageStore store(dataset, c["imgsz"], ImageStore::kUnlimited, {});
    const auto& want = tensors.at(key);
    Stream stream;
    const Tensor out = Tensor::empty(stream, {1, int(want.shape[1]), int(want.shape[2]), 3}, DType::kU8);
    const MadeSample made = make_validation_sample(stream, store, 0, out);
    EXPECT_EQ(std::vector<std::uint8_t>(out.as<std::uint8_t>(), out.as<std::uint8_t>() + out.count()),
              test::hwc_from(want))
        << key;
    EXPECT_TRUE(test::max_difference(test::flat(made.boxes), tensors.at(c["bboxes"]).floats()) <= 1e-6) << key;
    const auto& gains = c["ratio_pad"][0];
    EXPECT_NEAR(made.info.gain_h, gains[0].get<double>(), 1e-12) << key;
    EXPECT_NEAR(made.info.gain_w, gains[1].get<double>(), 1e-12) << key;
    EXPECT_EQ(made.info.pad_x, c["ratio_pad"][1][0].get<int>()) << key;
    EXPECT_EQ(made.info.pad_y, c["ratio_pad"][1][1].get<int>()) << key;
    EXPECT_EQ(made.info.original, (ResizedSize{c["ori_shape"][0], c["ori_shape"][1]})) << key;
  }
}

}  // namespace
}  // namespace boxcar
