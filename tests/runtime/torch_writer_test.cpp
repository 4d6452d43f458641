#include "boxcar/runtime/files/torch_writer.h"

#include <gtest/gtest.h>
#include <zip.h>

#include <cstring>
#include <limits>

#include "boxcar/runtime/files/pickle_writer.h"
#include "boxcar/runtime/files/torch_file.h"
#include "support/folder.h"
#include "support/golden.h"
#include "support/pickles.h"

namespace boxcar {
namespace {

using Kind = PickleValue::Kind;
using test::Folder;
using test::is_line_with;
using test::message_of;
using test::read_plainly;

HostTensor counting(DType dtype, std::vector<std::int64_t> shape) {
  HostTensor tensor{dtype, std::move(shape), {}};
  tensor.bytes.resize(static_cast<std::size_t>(tensor.count()) * size_of(dtype));
  for (std::size_t i = 0; i < tensor.bytes.size(); ++i) tensor.bytes[i] = static_cast<std::byte>(i + 1);
  return tensor;
}

NamedTensors all_types() {
  NamedTensors tensors;
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16, DType::kF64, DType::kI64, DType::kI32, DType::kI16,
                            DType::kI8, DType::kU8, DType::kBool}) {
    tensors.emplace_back("model." + std::string(name_of(dtype)), counting(dtype, {2, 3}));
  }
  tensors.emplace_back("scalar", counting(DType::kF32, {}));
  tensors.emplace_back("empty", counting(DType::kF32, {2, 0}));
  return tensors;
}

// Equal values, told by their pickles (tensors aside).
void expect_same_pickle(const PickleValue& a, const PickleValue& b) {
  EXPECT_EQ(write_pickle(a).pickle, write_pickle(b).pickle);
}

TEST(TorchWriter, RoundTripOfValuesAndTensors) {
  PickleValue root = PickleValue::dict();
  root.set("epoch", -1);
  root.set("integers", PickleValue::list({0, 255, 256, 65535, 65536, -1, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN}));
  root.set("floats", PickleValue::tuple({0.1, -0.0, std::numeric_limits<double>::infinity(), 5e-324}));
  root.set("plain", PickleValue::list({nullptr, true, false, "", "gr\xc3\xbcn", "gr\xc3\xbcn"}));
  root.set("empty", PickleValue::tuple({PickleValue::list(), PickleValue::tuple(), PickleValue::dict()}));
  root.set("names", PickleValue::dict({{0, "red"}, {1, "green"}, {PickleValue::tuple({1, "a"}), 2}}));
  root.set("model", PickleValue::dict_of(all_types()));
  const Folder folder;
  write_torch_file(folder / "a.pt", root);
  const TorchFile file = TorchFile::open(folder / "a.pt");
  EXPECT_EQ(file.state_dict(), all_types());
  expect_same_pickle(file.load_tensors(file.root()), root);
  EXPECT_EQ(folder.listing(), "a.pt");
}

TEST(TorchWriter, EqualTreesGiveEqualBytes) {
  const Folder folder;
  PickleValue shared = PickleValue::list({"text", 1});
  write_torch_file(folder / "a.pt",
                   PickleValue::dict({{"a", shared}, {"b", shared}, {"m", PickleValue::dict_of(all_types())}}));
  write_torch_file(folder / "b.pt", PickleValue::dict({{"a", PickleValue::list({"text", 1})},
                                                       {"b", PickleValue::list({"text", 1})},
                                                       {"m", PickleValue::dict_of(all_types())}}));
  EXPECT_EQ(read_plainly(folder / "a.pt"), read_plainly(folder / "b.pt"));
}

TEST(TorchWriter, ThePickleByHand) {
  const PickledTree tree = write_pickle(PickleValue::dict({{"w", PickleValue::tensor(counting(DType::kF16, {2, 3}))}}));
  const std::string expected =
      std::string("\x80\x02}(X\x01\0\0\0wq\0", 12) + "ctorch._utils\n_rebuild_tensor_v2\nq\x01((X" +
      std::string("\x07\0\0\0storageq\x02", 13) + "ctorch\nHalfStorage\nq\x03X" + std::string("\x01\0\0\0", 4) +
      "0q\x04X" + std::string("\x03\0\0\0", 4) + "cpuq\x05K\x06tQK" + std::string("\0", 1) +
      "(K\x02K\x03t(K\x03K\x01t\x89"
      "ccollections\nOrderedDict\nq\x06)RtRu.";
  EXPECT_EQ(tree.pickle, expected);
  EXPECT_EQ(tree.storages.size(), 1u);
}

// Structure, as libzip and the bytes themselves show it.
TEST(TorchWriter, TheArchiveIsStoredAlignedAndWithoutTimes) {
  const Folder folder;
  write_torch_file(folder / "a.pt", PickleValue::dict_of(all_types()));
  const std::string bytes = read_plainly(folder / "a.pt");
  int code = 0;
  zip_t* archive = zip_open((folder / "a.pt").c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &code);
  ASSERT_TRUE(archive) << code;
  std::vector<std::string> names;
  for (zip_int64_t i = 0; i < zip_get_num_entries(archive, 0); ++i) {
    zip_stat_t stat;
    ASSERT_EQ(zip_stat_index(archive, static_cast<zip_uint64_t>(i), 0, &stat), 0);
    names.emplace_back(stat.name);
    EXPECT_EQ(stat.comp_method, ZIP_CM_STORE);
    EXPECT_EQ(stat.comp_size, stat.size);
    const std::time_t time = stat.mtime;
    std::tm local{};
    ::localtime_r(&time, &local);
    EXPECT_EQ(local.tm_year, 80);
    EXPECT_EQ(local.tm_mon + local.tm_hour + local.tm_min, 0);
  }
  zip_discard(archive);
  std::vector<std::string> expected{"archive/data.pkl", "archive/byteorder"};
  for (std::size_t i = 0; i < all_types().size(); ++i) expected.push_back("archive/data/" + std::to_string(i));
  expected.push_back("archive/version");
  EXPECT_EQ(names, expected);
  for (std::size_t at = bytes.find("PK\x03\x04"); at != std::string::npos; at = bytes.find("PK\x03\x04", at + 4)) {
    std::uint16_t name_bytes = 0, extra_bytes = 0;
    std::memcpy(&name_bytes, bytes.data() + at + 26, 2);
    std::memcpy(&extra_bytes, bytes.data() + at + 28, 2);
    EXPECT_EQ((at + 30 + name_bytes + extra_bytes) % 64, 0u);
  }
}

TEST(TorchWriter, RefusesWhatIsNotPlainData) {
  const Folder folder;
  const auto refuse = [&](const PickleValue& value) {
    return message_of<ArgumentError>([&] { write_torch_file(folder / "a.pt", PickleValue::dict({{"key", value}})); });
  };
  EXPECT_TRUE(is_line_with(refuse(PickleValue::record("m.C", nullptr)), "'the value.key' is an object"));
  EXPECT_TRUE(is_line_with(refuse(PickleValue::set()), "is a set"));
  EXPECT_TRUE(is_line_with(refuse(PickleValue::bytes("x")), "is bytes"));
  EXPECT_TRUE(is_line_with(refuse(PickleValue::global("m.C")), "is a class"));
  EXPECT_TRUE(is_line_with(refuse(PickleValue::stored_tensor({})), "a stored tensor"));
  EXPECT_TRUE(is_line_with(refuse("\xff"), "not UTF-8"));
  EXPECT_TRUE(is_line_with(refuse(PickleValue::dict({{PickleValue::list(), 1}})), "a list as a key"));
  HostTensor bad = counting(DType::kF32, {2});
  bad.bytes.pop_back();
  EXPECT_TRUE(is_line_with(refuse(PickleValue::tensor(bad)), "7 bytes do not fit"));
  PickleValue own = PickleValue::list();
  own.push_back(own);
  EXPECT_TRUE(is_line_with(refuse(own), "contains itself"));
  own.clear();
  PickleValue wide = PickleValue::list();
  for (int i = 0; i < 40; ++i) wide = PickleValue::list({wide, wide});
  EXPECT_TRUE(is_line_with(refuse(wide), "more than 2000000 values"));
  EXPECT_EQ(folder.listing(), "");
}

TEST(TorchWriter, NamesAFolderThatIsMissing) {
  const Folder folder;
  EXPECT_TRUE(is_line_with(message_of<IoError>([&] { write_torch_file(folder / "none/a.pt", nullptr); }), "none/a.pt"));
}

TEST(TorchWriter, RewritesTheGoldenWeights) {
  BOXCAR_NEED_SHARED();
  const TorchFile original = TorchFile::open(test::shared("golden/model/checkpoint/training.pt"));
  const Folder folder;
  write_torch_file(folder / "a.pt",
                   PickleValue::dict({{"ema", PickleValue::dict_of(original.state_dict())},
                                      {"optimizer", original.load_tensors(original.root().find("optimizer"))}}));
  const TorchFile copy = TorchFile::open(folder / "a.pt");
  EXPECT_EQ(copy.state_dict(), original.state_dict());
  expect_same_pickle(copy.load_tensors(copy.root().find("optimizer")),
                     original.load_tensors(original.root().find("optimizer")));
}

}  // namespace
}  // namespace boxcar
