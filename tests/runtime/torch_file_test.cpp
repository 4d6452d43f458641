#include "boxcar/runtime/files/torch_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>

#include "boxcar/runtime/files/quote.h"
#include "boxcar/runtime/files/stored_zip_writer.h"
#include "support/folder.h"
#include "support/golden.h"
#include "support/pickles.h"

namespace boxcar {
namespace {

namespace fs = std::filesystem;
using Kind = PickleValue::Kind;
using test::Folder;
using test::global_op;
using test::int_op;
using test::is_line_with;
using test::message_of;
using test::pickle_of;
using test::TensorOps;
using test::text_op;
using test::write_pt;

fs::path checkpoint(const std::string& name) { return test::shared("golden/model/checkpoint/" + name); }

std::vector<std::string> texts_of(const nlohmann::json& list) { return list.get<std::vector<std::string>>(); }
std::vector<std::string> keys_of(const PickleValue& dict) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : dict.entries()) keys.push_back(*key.text());
  return keys;
}

void expect_equal(const NamedTensors& tensors, const std::map<std::string, test::GoldenTensor>& expected) {
  ASSERT_EQ(tensors.size(), expected.size());
  for (const auto& [name, tensor] : tensors) {
    ASSERT_TRUE(expected.contains(name)) << name;
    const auto& other = expected.at(name);
    EXPECT_TRUE(tensor.dtype == other.dtype && tensor.shape == other.shape && tensor.bytes == other.bytes) << name;
  }
}

TEST(TorchFile, ReadsTheGoldenWeightsBitForBit) {
  BOXCAR_NEED_SHARED();
  const std::map<std::string, std::string> kExpected{{"training.pt", "expected_half"},
                                                     {"stripped.pt", "expected_half"},
                                                     {"state_dict.pt", "expected_float"},
                                                     {"state_dict_nested.pt", "expected_half"},
                                                     {"views.pt", "expected_views"}};
  const auto facts = test::read_json(test::shared("golden/model/checkpoint.json"));
  const auto order = texts_of(facts["training.pt"]["state_names_in_order"]);
  std::size_t files = 0;
  for (const auto& entry : fs::directory_iterator(checkpoint(""))) {
    if (entry.path().extension() != ".pt") continue;
    const std::string file = entry.path().filename().string();
    SCOPED_TRACE(file);
    ASSERT_TRUE(kExpected.contains(file)) << "a golden file without a test";
    const NamedTensors tensors = TorchFile::open(entry.path()).state_dict();
    expect_equal(tensors, test::read_golden(checkpoint(kExpected.at(file) + ".safetensors")));
    std::vector<std::string> names;
    for (const auto& [name, tensor] : tensors) names.push_back(name);
    if (file != "views.pt") {
      EXPECT_EQ(names, order);
    }
    ++files;
  }
  EXPECT_EQ(files, kExpected.size());
}

TEST(TorchFile, ReadsTheFactsOfATrainingCheckpoint) {
  BOXCAR_NEED_SHARED();
  const auto facts = test::read_json(test::shared("golden/model/checkpoint.json"))["training.pt"];
  const TorchFile file = TorchFile::open(checkpoint("training.pt"));
  EXPECT_EQ(keys_of(file.root()), texts_of(facts["keys"]));
  EXPECT_EQ(file.root().find("epoch").integer(), facts["epoch"].get<int>());
  EXPECT_EQ(file.root().find("updates").integer(), facts["updates"].get<int>());
  EXPECT_EQ(file.root().find("best_fitness").number(), facts["best_fitness"].get<double>());
  EXPECT_TRUE(file.root().find("model").is_null());
  EXPECT_EQ(file.root().find("train_args").find("imgsz").integer(), facts["train_args_imgsz"].get<int>());

  const TorchNetwork network = file.network();
  EXPECT_EQ(network.class_name(), facts["model_class"].get<std::string>());
  EXPECT_TRUE(network.attribute("args").class_name().ends_with("." + facts["args_class"].get<std::string>()));
  EXPECT_EQ(network.attribute("args").attribute("imgsz").integer(), facts["train_args_imgsz"].get<int>());
  EXPECT_EQ(network.attribute("nc").integer(), facts["nc"].get<int>());
  EXPECT_EQ(*network.attribute("yaml").find("scale").text(), facts["yaml_scale"].get<std::string>());
  for (const auto& [index, name] : facts["names"].items()) {
    EXPECT_EQ(*network.attribute("names").find(std::stoll(index)).text(), name.get<std::string>());
  }
  std::vector<std::int64_t> save;
  const PickleValue saved = network.attribute("save");
  for (const PickleValue& item : saved.items()) save.push_back(*item.integer());
  EXPECT_EQ(save, facts["save"].get<std::vector<std::int64_t>>());
  const HostTensor stride = file.tensor(network.attribute("stride"), "stride");
  ASSERT_TRUE(stride.dtype == DType::kF32 && stride.count() == 3);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(stride.as<float>()[i], facts["stride"][i].get<float>());
  for (const auto& name : texts_of(facts["model_attributes"])) {
    EXPECT_TRUE(network.value().state().contains(name)) << name;
  }
}

TEST(TorchFile, ReadsLayersAndModules) {
  BOXCAR_NEED_SHARED();
  const auto facts = test::read_json(test::shared("golden/model/checkpoint.json"))["training.pt"];
  const TorchNetwork network = TorchFile::open(checkpoint("training.pt")).network();
  const auto layers = network.layers();
  ASSERT_EQ(layers.size(), 24u);
  EXPECT_TRUE(layers.back().class_name().ends_with(".Detect"));
  for (const auto& name : texts_of(facts["head_attributes"])) EXPECT_TRUE(layers.back().state().contains(name)) << name;
  int norms = 0;
  for (const auto& [name, module] : network.modules()) {
    if (!module.class_name().ends_with(".BatchNorm2d")) continue;
    EXPECT_EQ(module.attribute("eps").number(), 1e-3) << name;
    EXPECT_EQ(module.attribute("momentum").number(), 0.03) << name;
    ++norms;
  }
  EXPECT_GT(norms, 50);
}

double sum_of_abs_halfs(const HostTensor& tensor) {
  double sum = 0;
  for (std::int64_t i = 0; i < tensor.count(); ++i)
    sum += std::abs(double{half_to_float(tensor.as<std::uint16_t>()[i])});
  return sum;
}

TEST(TorchFile, ReadsTheOptimizer) {
  BOXCAR_NEED_SHARED();
  const auto facts = test::read_json(test::shared("golden/model/checkpoint.json"))["training.pt"];
  const TorchFile file = TorchFile::open(checkpoint("training.pt"));
  const PickleValue optimizer = file.load_tensors(file.root().find("optimizer"));
  EXPECT_EQ(optimizer.find("param_groups").items().size(), facts["optimizer_param_groups"].get<std::size_t>());
  const PickleValue states = optimizer.find("state");
  EXPECT_EQ(states.entries().size(), facts["optimizer_states"].get<std::size_t>());
  for (const auto& [index, expected] : facts["momentum_sum_of_abs"].items()) {
    const PickleValue momentum = states.find(std::stoll(index)).find("momentum_buffer");
    ASSERT_TRUE(momentum.tensor() && momentum.tensor()->dtype == DType::kF16) << index;
    // Sums of f16 values in f64, in any order: exact to a few of its last bits.
    EXPECT_NEAR(sum_of_abs_halfs(*momentum.tensor()), expected.get<double>(), 1e-9 * expected.get<double>()) << index;
  }
}

TEST(TorchFile, ReadsAStrippedCheckpoint) {
  BOXCAR_NEED_SHARED();
  const auto facts = test::read_json(test::shared("golden/model/checkpoint.json"))["stripped.pt"];
  const TorchFile file = TorchFile::open(checkpoint("stripped.pt"));
  EXPECT_EQ(keys_of(file.root()), texts_of(facts["keys"]));
  EXPECT_EQ(file.root().find("epoch").integer(), facts["epoch"].get<int>());
  for (const auto& key : texts_of(facts["null_keys"])) EXPECT_TRUE(file.root().find(key).is_null()) << key;
  ASSERT_EQ(facts["args_class"].get<std::string>(), "dict");
  EXPECT_EQ(file.network().attribute("args").kind(), Kind::kDict);
}

// --- files made here

NamedTensors weights_of(const std::string& pickle) {
  const Folder folder;
  return TorchFile::open(write_pt(folder, pickle)).state_dict();
}
std::string refusal(const std::string& body) {
  const Folder folder;
  const auto path = write_pt(folder, pickle_of(body));
  const auto message = message_of<IoError>([&] { TorchFile::open(path).state_dict(); });
  EXPECT_TRUE(is_line_with(message, quote_path(path)));
  return message;
}
std::string dict_with(const std::string& key, const std::string& ops) { return "}" + text_op(key) + ops + "s"; }
std::string module_with(const std::string& parameters, const std::string& buffers, const std::string& children,
                        const std::string& left_out = "]") {
  return global_op("m", "Net") + ")\x81}(" + text_op("_parameters") + parameters + text_op("_buffers") + buffers +
         text_op("_non_persistent_buffers_set") + left_out + text_op("_modules") + children + "ub";
}
std::vector<float> floats_of(const HostTensor& tensor) {
  return {tensor.as<float>(), tensor.as<float>() + tensor.count()};
}

TEST(TorchFile, ViewsOfOneStorage) {
  const auto view = [](int offset, const std::string& sizes, const std::string& strides) {
    TensorOps ops;
    ops.offset = offset, ops.sizes = sizes, ops.strides = strides;
    return floats_of(weights_of(pickle_of(dict_with("w", ops.ops())))[0].second);
  };
  EXPECT_EQ(view(0, int_op(2) + int_op(2), int_op(2) + int_op(1)), (std::vector<float>{0, 1, 2, 3}));
  EXPECT_EQ(view(0, int_op(2) + int_op(2), int_op(1) + int_op(2)), (std::vector<float>{0, 2, 1, 3}));
  EXPECT_EQ(view(1, int_op(2), int_op(2)), (std::vector<float>{1, 3}));
  EXPECT_EQ(view(3, "", ""), (std::vector<float>{3}));
  EXPECT_EQ(view(2, int_op(3) + int_op(1) + int_op(2), int_op(0) + int_op(9) + int_op(1)),
            (std::vector<float>{2, 3, 2, 3, 2, 3}));
  EXPECT_EQ(view(0, int_op(0) + int_op(5), int_op(5) + int_op(1)), (std::vector<float>{}));
}

TEST(TorchFile, RefusesViewsThatAreNotInTheStorage) {
  const auto refuse = [](auto change) {
    TensorOps ops;
    change(ops);
    return refusal(dict_with("w", ops.ops()));
  };
  const std::string huge = "\x8a\x08" + test::little_endian(std::uint64_t{1} << 62, 8);
  EXPECT_TRUE(is_line_with(refuse([](auto& t) { t.offset = 1; }), "'w' is a view outside its storage"));
  EXPECT_TRUE(is_line_with(refuse([](auto& t) { t.offset = -1; }), "negative offset"));
  EXPECT_TRUE(is_line_with(refuse([](auto& t) { t.elements = -1; }), "negative offset"));
  EXPECT_TRUE(is_line_with(refuse([](auto& t) { t.sizes = int_op(-1) + int_op(2); }), "negative size"));
  EXPECT_TRUE(is_line_with(refuse([](auto& t) { t.strides = int_op(-1) + int_op(2); }), "negative stride"));
  EXPECT_TRUE(is_line_with(refuse([](auto& t) { t.elements = 5; }), "holds 16 bytes, 20 declared"));
  EXPECT_TRUE(is_line_with(refuse([&](auto& t) { t.strides = huge + huge; }), "outside its storage"));
  EXPECT_TRUE(is_line_with(refuse([&](auto& t) { t.sizes = huge + huge; }), "overflows"));
  EXPECT_TRUE(is_line_with(refuse([](auto& t) { t.key = "../../etc/passwd"; }), "passwd' is missing"));
  EXPECT_TRUE(is_line_with(refuse([](auto& t) { t.storage = "QInt8Storage"; }), "'QInt8Storage', which is not"));
  EXPECT_TRUE(is_line_with(refuse([](auto& t) { t.sizes = int_op(1); }), "as many sizes as strides"));
  EXPECT_TRUE(is_line_with(refuse([](auto& t) { t.sizes = text_op("x"), t.strides = int_op(1); }), "tensor's size"));
  EXPECT_TRUE(is_line_with(
      refuse([](auto& t) { t.sizes = int_op(1 << 20) + int_op(1 << 20), t.strides = int_op(0) + int_op(0); }),
      "repeats elements far beyond"));
}

// Each view is small enough, all of them together are not.
TEST(TorchFile, TheBytesOfAllTensorsTogetherAreBounded) {
  TensorOps ops;
  ops.sizes = int_op(250) + int_op(500), ops.strides = int_op(0) + int_op(0);
  std::string body = "}";
  for (int i = 0; i < 10; ++i) body += text_op("w" + std::to_string(i)) + ops.ops() + "s";
  EXPECT_TRUE(is_line_with(refusal(body), "repeats elements far beyond"));
}

TEST(TorchFile, WhereTheWeightsAre) {
  const std::string w = TensorOps().ops(), plain = dict_with("w", w), other = dict_with("v", w);
  const auto names = [](const std::string& body) {
    std::string joined;
    for (const auto& [name, tensor] : weights_of(pickle_of(body))) joined += name + " ";
    return joined;
  };
  EXPECT_EQ(names(plain), "w ");
  EXPECT_EQ(names("}(" + text_op("model") + other + text_op("ema") + plain + "u"), "w ");
  EXPECT_EQ(names("}(" + text_op("ema") + "N" + text_op("model") + other + "u"), "v ");
  EXPECT_EQ(names(dict_with("state_dict", plain)), "w ");
  EXPECT_EQ(names("}(" + text_op("model") + w + text_op("ema") + w + "u"), "model ema ");
  const std::string child = module_with("}" + text_op("bias") + w + "s" + text_op("off") + "Ns", "}", "}");
  const std::string left_out = "](" + text_op("cache") + "e";
  const std::string net = module_with(dict_with("a", w), "}(" + text_op("cache") + w + text_op("mean") + w + "u",
                                      "}(" + text_op("gone") + "N" + text_op("c") + child + "u", left_out);
  EXPECT_EQ(names(net), "a mean c.bias ");
  EXPECT_EQ(names(dict_with("model", net)), "a mean c.bias ");
}

TEST(TorchFile, RefusesFilesWithoutUsableWeights) {
  const std::string w = TensorOps().ops();
  EXPECT_TRUE(is_line_with(refusal("N"), "holds no weights"));
  EXPECT_TRUE(is_line_with(refusal("}"), "holds no weights"));
  EXPECT_TRUE(is_line_with(refusal(dict_with("model", "K\x01")), "'model' is an integer without weights"));
  EXPECT_TRUE(is_line_with(refusal(dict_with("model", global_op("m", "C") + ")\x81")), "('m.C') without weights"));
  EXPECT_TRUE(is_line_with(refusal("}(" + text_op("w") + w + text_op("epoch") + "K\x01u"), "'epoch' is an integer"));
  EXPECT_TRUE(is_line_with(refusal("}(" + text_op("w") + w + text_op("w") + w + "u"), "'w' occurs twice"));
  EXPECT_TRUE(is_line_with(refusal("}(" + text_op("w") + w + "K\x01" + w + "u"), "named by an integer"));
  EXPECT_TRUE(is_line_with(refusal(module_with("}", "}", dict_with("c", "K\x01"))), "module 'c' is an integer"));
}

TEST(TorchFile, RefusesModulesWithoutEnd) {
  // A module whose child is itself.
  const std::string own = global_op("m", "Net") + ")\x81q\x01}(" + text_op("_modules") + dict_with("c", "h\x01") + "ub";
  EXPECT_TRUE(is_line_with(refusal(own), "'c' contains itself"));
  // Forty levels that mention the next one twice: 2^40 paths in a small file.
  std::string twice = module_with("}", "}", "}");
  for (int i = 0; i < 40; ++i) {
    const std::string index = test::little_endian(static_cast<std::uint64_t>(i), 1);
    twice = twice + "q" + index + "0" +
            module_with("}", "}", "}(" + text_op("a") + "h" + index + text_op("b") + "h" + index + "u");
  }
  EXPECT_TRUE(is_line_with(refusal(twice), "more than 100000 modules"));
}

TEST(TorchFile, LoadTensorsCopiesATreeAndKeepsSharing) {
  const Folder folder;
  const std::string body = "}(" + text_op("a") + TensorOps().ops() + "q\x09" + text_op("b") +
                           "](h\x09K\x05"
                           "e" +
                           text_op("c") + module_with("}", "}", "}") + "u";
  const TorchFile file = TorchFile::open(write_pt(folder, pickle_of(body)));
  const PickleValue loaded = file.load_tensors(file.root());
  ASSERT_TRUE(loaded.find("a").tensor());
  EXPECT_EQ(floats_of(*loaded.find("a").tensor()), (std::vector<float>{0, 1, 2, 3}));
  EXPECT_EQ(loaded.find("b").items()[0].identity(), loaded.find("a").identity());
  EXPECT_EQ(loaded.find("c").attribute("_modules").kind(), Kind::kDict);
  EXPECT_TRUE(file.root().find("a").stored_tensor());
}

std::string refused_archive(const std::vector<std::pair<std::string, std::string>>& records) {
  const Folder folder;
  StoredZipWriter zip(folder / "x.pt");
  for (const auto& [name, content] : records) zip.add(name, content);
  zip.commit();
  const auto message = message_of<IoError>([&] { TorchFile::open(folder / "x.pt"); });
  EXPECT_TRUE(is_line_with(message, quote_path(folder / "x.pt")));
  return message;
}

TEST(TorchFile, RefusesOtherArchives) {
  const std::string empty = pickle_of("}");
  EXPECT_TRUE(is_line_with(refused_archive({{"x.npy", "1"}}), "another kind of zip"));
  EXPECT_TRUE(is_line_with(refused_archive({}), "is"));
  EXPECT_TRUE(is_line_with(refused_archive({{"a/data.pkl", empty}, {"b/data.pkl", empty}}), "two records data.pkl"));
  EXPECT_TRUE(is_line_with(refused_archive({{"a/data.pkl", empty}, {"a/data.pkl", empty}}), "two records named"));
  EXPECT_TRUE(is_line_with(refused_archive({{"a/data.pkl", empty}, {"a/constants.pkl", ""}}), "TorchScript"));
  EXPECT_TRUE(is_line_with(refused_archive({{"a/data.pkl", empty}, {"a/code/x.py", ""}}), "TorchScript"));
  EXPECT_TRUE(is_line_with(refused_archive({{"a/data.pkl", empty}, {"a/byteorder", "middle"}}), "'middle'"));
}

TEST(TorchFile, RefusesWhatIsNoFile) {
  const Folder folder;
  const auto refuse = [](const fs::path& path) { return message_of<IoError>([&] { TorchFile::open(path); }); };
  EXPECT_TRUE(is_line_with(refuse(folder.path()), "it is a folder"));
  EXPECT_TRUE(is_line_with(refuse(folder / "none.pt"), "No such file"));
  EXPECT_TRUE(is_line_with(refuse("/dev/zero"), "not a regular file"));
  EXPECT_TRUE(is_line_with(refuse(test::write_plainly(folder / "x.pt", "\n <html>")), "a web page"));
  EXPECT_TRUE(is_line_with(refuse(test::write_plainly(folder / "x.pt", "PK")), "not a complete zip"));
}

// A truncated or altered file is refused or read, never worse: the sanitised build watches.
TEST(TorchFile, SurvivesEveryTruncationAndByteChange) {
  const Folder folder;
  const std::string good = test::read_plainly(write_pt(folder, pickle_of(dict_with("w", TensorOps().ops()))));
  const auto attempt = [&](const std::string& content) {
    const auto path = test::write_plainly(folder / "b.pt", content);
    try {
      TorchFile::open(path).state_dict();
    } catch (const IoError& error) {
      EXPECT_TRUE(is_line_with(error.what(), quote_path(path)));
    }
  };
  for (std::size_t i = 0; i < good.size(); ++i) {
    attempt(good.substr(0, i));
    for (const char value : {'\xff', '('}) {
      std::string changed = good;
      changed[i] = value;
      attempt(changed);
    }
  }
}

}  // namespace
}  // namespace boxcar
