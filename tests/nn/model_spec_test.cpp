// Hand-worked model files: every module's arguments and defaults, the keys, and rows that are wrong.
#include "boxcar/nn/model/model_spec.h"

#include <gtest/gtest.h>

#include <limits>

#include "nn/model_spec_support.h"

namespace boxcar {
namespace {

using kernels::ActKind;
using test::expect_refused, test::spec_of, test::with_row;

TEST(ModelRow, Conv) {
  const auto plain = spec_of<ConvSpec>("[-1, 1, Conv, [20]]");
  EXPECT_EQ(plain.c1, 16);
  EXPECT_EQ(plain.c2, 24);  // up to a multiple of 8
  EXPECT_EQ(plain.kernel, 1);
  EXPECT_EQ(plain.stride, 1);
  EXPECT_EQ(plain.padding, 0);
  EXPECT_EQ(plain.act.kind, ActKind::kSilu);
  const auto all = spec_of<ConvSpec>("[-1, 1, Conv, [16, 5, 2, null, 4, 2, false]]");
  EXPECT_EQ(all.kernel, 5);
  EXPECT_EQ(all.stride, 2);
  EXPECT_EQ(all.padding, 4);  // half of the effective kernel, 9
  EXPECT_EQ(all.groups, 4);
  EXPECT_EQ(all.dilation, 2);
  EXPECT_EQ(all.act.kind, ActKind::kIdentity);
  EXPECT_EQ(spec_of<ConvSpec>("[-1, 1, Conv, [16, 6, 2, 2]]").padding, 2);
  EXPECT_EQ(spec_of<ConvSpec>("[-1, 1, Conv, [16, 3, 1, None]]").padding, 1);
  EXPECT_EQ(spec_of<ConvSpec>("[-1, 1, Conv, [\"16\", \"3\"]]").kernel, 3);  // texts that look like numbers are numbers
}

TEST(ModelRow, DwConvGroupsByTheGreatestCommonDivisor) {
  const auto conv = spec_of<ConvSpec>("[-1, 1, DWConv, [24, 3, 2]]");
  EXPECT_EQ(conv.groups, 8);
  EXPECT_EQ(conv.padding, 1);
  EXPECT_EQ(parse_model_spec(with_row("[-1, 1, DWConv, [24, 3]]"), "net.yaml").layers[1].module, "DWConv");
}

TEST(ModelRow, Bottleneck) {
  const auto plain = spec_of<BottleneckSpec>("[-1, 1, Bottleneck, [16]]");
  EXPECT_TRUE(plain.shortcut);
  EXPECT_EQ(plain.kernels, (std::array<int, 2>{3, 3}));
  EXPECT_EQ(plain.e, 0.5);
  const auto all = spec_of<BottleneckSpec>("[-1, 1, Bottleneck, [16, False, 2, [1, 5], 0.25]]");
  EXPECT_FALSE(all.shortcut);
  EXPECT_EQ(all.groups, 2);
  EXPECT_EQ(all.kernels, (std::array<int, 2>{1, 5}));
  EXPECT_EQ(spec_of<BottleneckSpec>("[-1, 1, Bottleneck, [16, True, 1, '[1, 3]']]").kernels[0], 1);
}

TEST(ModelRow, SplitBlocksHaveTheirOwnDefaults) {
  const auto c2f = spec_of<C2fSpec>("[-1, 3, C2f, [32]]");
  EXPECT_EQ(c2f.n, 3);
  EXPECT_FALSE(c2f.shortcut);
  const auto c3 = spec_of<C3Spec>("[-1, 3, C3, [32, False, 2, 0.25]]");
  EXPECT_FALSE(c3.shortcut);
  EXPECT_EQ(c3.groups, 2);
  EXPECT_EQ(c3.e, 0.25);
  EXPECT_TRUE(spec_of<C3Spec>("[-1, 3, C3, [32]]").shortcut);
  const auto c3k2 = spec_of<C3k2Spec>("[-1, 2, C3k2, [32]]");
  EXPECT_FALSE(c3k2.c3k);
  EXPECT_FALSE(c3k2.attn);
  EXPECT_TRUE(c3k2.shortcut);
  EXPECT_EQ(c3k2.e, 0.5);
  const auto all = spec_of<C3k2Spec>("[-1, 2, C3k2, [32, 1, 1, true, 2, 0]]");
  EXPECT_TRUE(all.c3k);
  EXPECT_EQ(all.e, 1.0);
  EXPECT_TRUE(all.attn);
  EXPECT_EQ(all.groups, 2);
  EXPECT_FALSE(all.shortcut);
}

TEST(ModelRow, C3k2IsForcedToC3kAtLargeScalesOnly) {
  for (const std::string scale : {"n", "s", "m", "l", "x"}) {
    const std::string keys = "nc: 2\nscale: " + scale + "\nscales: {" + scale + ": [1, 1, 64]}";
    EXPECT_EQ(spec_of<C3k2Spec>("[-1, 1, C3k2, [32, false]]", keys).c3k, scale != "n" && scale != "s") << scale;
  }
}

TEST(ModelRow, Pools) {
  EXPECT_EQ(spec_of<SppSpec>("[-1, 1, SPP, [16]]").kernels, (std::vector<int>{5, 9, 13}));
  EXPECT_EQ(spec_of<SppSpec>("[-1, 1, SPP, [16, [3, 7]]]").kernels, (std::vector<int>{3, 7}));
  const auto old_form = spec_of<SppfSpec>("[-1, 1, SPPF, [16, 5]]");
  EXPECT_EQ(old_form.n, 3);
  EXPECT_FALSE(old_form.shortcut);
  EXPECT_EQ(old_form.cv1_act.kind, ActKind::kSilu);
  const auto new_form = spec_of<SppfSpec>("[-1, 1, SPPF, [16, 5, 2, True]]");
  EXPECT_EQ(new_form.n, 2);
  EXPECT_TRUE(new_form.shortcut);
  EXPECT_EQ(new_form.cv1_act.kind, ActKind::kIdentity);
  const auto pool = spec_of<MaxPoolSpec>("[-1, 1, nn.MaxPool2d, [2]]");
  EXPECT_EQ(pool.stride, 2);
  EXPECT_EQ(pool.padding, 0);
  EXPECT_EQ(spec_of<MaxPoolSpec>("[-1, 1, nn.MaxPool2d, [5, 1, 2]]").padding, 2);
  EXPECT_EQ(spec_of<UpsampleSpec>("[-1, 1, nn.Upsample, [None, 2.0, nearest]]").factor, 2);
}

TEST(ModelRow, Attention) {
  const auto c2psa = spec_of<C2psaSpec>("[-1, 2, C2PSA, [16]]");
  EXPECT_EQ(c2psa.c, 16);
  EXPECT_EQ(c2psa.n, 2);
  EXPECT_EQ(spec_of<C2psaSpec>("[-1, 1, C2fPSA, [16, 0.25]]").e, 0.25);
  EXPECT_EQ(spec_of<PsaSpec>("[-1, 1, PSA, [16]]").c, 16);
  EXPECT_EQ(attention_heads(63), 1);
  EXPECT_EQ(attention_heads(128), 2);
}

TEST(ModelRow, RepeatsOutsideAModuleMakeCopies) {
  const ModelSpec spec = parse_model_spec(with_row("[-1, 3, Conv, [16, 3, 2]]"), "net.yaml");
  EXPECT_EQ(spec.layers[1].copies, 3);
  EXPECT_EQ(spec.layers[1].size_at_256, 16);
  EXPECT_EQ(spec.head().strides, std::vector<int>{32});
  EXPECT_EQ(parse_model_spec(with_row("[-1, 3, C2f, [16]]"), "net.yaml").layers[1].copies, 1);
  expect_refused(with_row("[-1, 2, Conv, [32, 3, 2]]"), "turns 16 channels into 32");
  expect_refused(with_row("[[-1], 2, Concat, [1]]"), "Concat cannot be repeated");
}

TEST(ModelRow, ConcatAddsChannelsAndTheHeadWorksOutItsWidths) {
  const ModelSpec spec = parse_model_spec(
      "nc: 3\nbackbone:\n- [-1, 1, Conv, [64, 3, 2]]\n- [-1, 1, Conv, [24, 3, 1]]\n- [[-1, 0, -2], 1, Concat, [1]]\n"
      "head:\n- [[2, 1], 1, Detect, [nc]]\n",
      "net.yaml");
  EXPECT_EQ(spec.layers[2].from, (std::vector<int>{1, 0, 0}));
  EXPECT_EQ(spec.layers[2].in_channels, (std::vector<int>{24, 64, 64}));
  EXPECT_EQ(spec.layers[2].out_channels, 152);
  EXPECT_EQ(spec.save, (std::vector<int>{0, 0, 1, 2}));
  const DetectSpec& head = spec.head();
  EXPECT_EQ(head.channels, (std::vector<int>{152, 24}));
  EXPECT_EQ(head.strides, (std::vector<int>{2, 2}));
  EXPECT_EQ(head.box_width, 64);
  EXPECT_EQ(head.class_width, 152);
  EXPECT_TRUE(head.legacy);
}

TEST(ModelRow, TheHeadFollowsTheBlocksBeforeIt) {
  const auto head = [](const std::string& row, const std::string& keys = "nc: 2") {
    return parse_model_spec(with_row(row, keys), "net.yaml").head();
  };
  EXPECT_TRUE(head("[-1, 1, C2f, [16]]").legacy);
  EXPECT_FALSE(head("[-1, 1, C3k2, [16]]").legacy);
  EXPECT_EQ(head("[-1, 1, C2f, [16]]", "nc: 200").class_width, 100);
  EXPECT_EQ(head("[-1, 1, C2f, [16]]", "nc: 2\nreg_max: 1").box_width, 16);
  EXPECT_EQ(head("[-1, 1, C2f, [16]]", "nc: 2\nreg_max: 1").reg_max, 1);
}

TEST(ModelKeys, ActivationReachesEveryDefault) {
  const std::string keys = "nc: 2\nactivation: ";
  const auto act = [&](const std::string& text) { return spec_of<ConvSpec>("[-1, 1, Conv, [16]]", keys + text).act; };
  EXPECT_EQ(act("nn.ReLU()").kind, ActKind::kRelu);
  EXPECT_EQ(act("torch.nn.LeakyReLU(0.1)").kind, ActKind::kLeakyRelu);
  EXPECT_EQ(act("torch.nn.LeakyReLU(0.1)").parameter, 0.1f);
  EXPECT_EQ(act("nn.LeakyReLU()").parameter, 0.01f);
  EXPECT_EQ(act("nn.LeakyReLU(negative_slope=0.2, inplace=True)").parameter, 0.2f);
  EXPECT_EQ(act("nn.ELU( alpha = 0.5 )").parameter, 0.5f);
  EXPECT_EQ(act("SiLU(inplace=True)").kind, ActKind::kSilu);
  EXPECT_EQ(act("nn.ReLU6()").kind, ActKind::kRelu6);
  EXPECT_EQ(act("nn.Hardswish()").kind, ActKind::kHardswish);
  EXPECT_EQ(act("nn.GELU()").kind, ActKind::kGelu);
  EXPECT_EQ(act("nn.Mish()").kind, ActKind::kMish);
  EXPECT_EQ(act("nn.Sigmoid()").kind, ActKind::kSigmoid);
  EXPECT_EQ(act("nn.Identity()").kind, ActKind::kIdentity);
  EXPECT_EQ(spec_of<SppfSpec>("[-1, 1, SPPF, [16, 5]]", keys + "nn.ReLU()").cv1_act.kind, ActKind::kRelu);
  for (const std::string bad :
       {"nn.ReLU", "ReLU()()", "nn.ReLU(", "nn.GELU('tanh')", "nn.LeakyReLU(1e999)", "nn.ELU(x)",
        "__import__('os').system('true')", "nn.ReLU(alpha=1)", "[nn.ReLU()]", "\"nn.ReLU()\\n\"",
        "nn.LeakyReLU(slope=0.1)", "nn.ReLU(1)", "()", "''", "nn.nn.ReLU()"}) {
    expect_refused(with_row("[-1, 1, Conv, [16]]", keys + bad), "is not known; write one of nn.SiLU()");
  }
}

TEST(ModelKeys, ScalesAndMultiples) {
  const std::string rows = with_row("[-1, 5, C2f, [100]]", "");
  const std::string scales = "scales: {a: [0.5, 0.5, 64], n: [1, 1, 1024]}\n";
  test::Messages messages;
  ModelSpecOptions options;
  options.log = messages.log();
  ModelSpec spec = parse_model_spec("nc: 2\n" + scales + rows, "net.yaml", options);
  EXPECT_EQ(spec.scale, "a");
  ASSERT_EQ(messages.warnings.size(), 1u);
  EXPECT_EQ(messages.warnings[0], "net.yaml: no scale was given, taking the first, 'a', of a, n");
  EXPECT_EQ(std::get<C2fSpec>(spec.layers[1].spec).n, 2);
  EXPECT_EQ(spec.layers[1].out_channels, 32);
  spec = parse_model_spec("nc: 2\nscale: n\n" + scales + rows, "net.yaml", options);
  EXPECT_EQ(spec.scale, "n");
  options.scale = "a";  // the caller's wins
  EXPECT_EQ(parse_model_spec("nc: 2\nscale: n\n" + scales + rows, "net.yaml", options).scale, "a");
  EXPECT_EQ(messages.warnings.size(), 1u);
  spec = parse_model_spec("nc: 2\ndepth_multiple: 0.3\nwidth_multiple: 0.25\n" + rows, "net.yaml", options);
  EXPECT_EQ(messages.warnings.size(), 2u);  // the scale has nothing to choose from
  EXPECT_EQ(spec.scale, "");
  EXPECT_EQ(spec.depth, 0.3);
  EXPECT_EQ(spec.layers[1].repeats, 2);
  EXPECT_EQ(spec.layers[1].out_channels, 32);
  EXPECT_EQ(spec.max_channels, std::numeric_limits<double>::infinity());
}

TEST(ModelKeys, TheCallersClassesAndChannelsWin) {
  const std::string text = with_row("[-1, 1, Conv, [16]]", "nc: 2\nchannels: 4");
  EXPECT_EQ(parse_model_spec(text, "net.yaml").names, (std::vector<std::string>{"0", "1"}));
  EXPECT_EQ(parse_model_spec(text, "net.yaml").layers[0].in_channels, std::vector<int>{4});
  ModelSpecOptions options;
  test::Messages messages;
  options.log = messages.log();
  options.nc = 3;
  options.channels = 1;
  options.names = {"a", "b", "c"};
  const ModelSpec spec = parse_model_spec(text, "net.yaml", options);
  EXPECT_EQ(spec.nc, 3);
  EXPECT_EQ(spec.head().nc, 3);
  EXPECT_EQ(spec.names[2], "c");
  EXPECT_EQ(std::get<ConvSpec>(spec.layers[0].spec).c1, 1);
  EXPECT_EQ(messages.infos, std::vector<std::string>{"net.yaml: nc=3 replaces the file's nc=2"});
  options.names.pop_back();
  expect_refused(text, "2 class names were given for 3 classes", options);
  options.names.clear();
  options.nc = -1;
  expect_refused(text, "-1 classes were asked for", options);
  options.nc = 0;
  options.channels = -3;
  expect_refused(text, "-3 image channels", options);
}

TEST(ModelKeys, WrongOnes) {
  const auto refused = [](const std::string& keys, const std::string& part) {
    expect_refused(with_row("[-1, 1, Conv, [16]]", keys), part);
  };
  refused("nc: 2\nbackbnoe: 1", "the key 'backbnoe' is not known");
  refused("nc: 2\nkpt_shape: [17, 3]", "the key 'kpt_shape' is not known for detection");
  refused("nc: 2\ntask: pose", "the task 'pose' is not supported");
  refused("nc: 2\nend2end: true", "not supported yet");
  refused("nc: 2\nend2end: maybe", "end2end is the text 'maybe'");
  refused("nc: 2\nend2end: 1", "end2end is 1");
  refused("nc: 2\nreg_max: 16.5", "reg_max is 16.5");
  refused("nc: 2\nreg_max: 99999999999999999999", "reg_max is 1e+20");
  refused("nc: '2'", "nc is the text '2'");
  refused("nc: [2]", "nc is a list of 1");
  refused("nc: 010", "nc is the text '010'");
  refused("nc: 1000000000", "from 1 to 100000");
  refused("nc: null", "the key 'nc' is missing");
  refused("nc: 2\nchannels: 0", "channels is 0");
  refused("nc: 2\nscales: [1]", "scales must be a map");
  refused("nc: 2\nscales: {}", "scales must be a map");
  refused("nc: 2\nscales: {n: [1, .nan, 3]}", "the width of the scale 'n' is the text '.nan'");
  refused("nc: 2\nscales: {n: [1, -1, 3]}", "the width of the scale 'n' is -1");
  refused("nc: 2\nscales: {'n n': [1, 1, 3]}", "a name of letters and digits");
  refused("nc: 2\nscale: [n]\nscales: {n: [1, 1, 3]}", "scale must be the name of one entry");
  refused("nc: 2\nscales: {n: [1, 1, 3]}\ndepth_multiple: 1", "depth_multiple has no effect beside scales");
  refused("nc: 2\ndepth_multiple: 0", "depth_multiple is 0");
  refused("nc: 2\nwidth_multiple: wide", "width_multiple is the text 'wide'");
  EXPECT_NO_THROW(parse_model_spec(
      with_row("[-1, 1, Conv, [16]]", "nc: 2\nend2end: false\nyaml_file: a.yaml\ntask: detect\nactivation:\nscale: ''"),
      "n"));
}

TEST(ModelRows, WrongOnes) {
  const auto refused = [](const std::string& row, const std::string& part) { expect_refused(with_row(row), part); };
  refused("Conv", "must be a list of four items");
  refused("{from: -1}", "must be a list of four items");
  refused("[-1, 1, Conv, [16], 1]", "must be a list of four items");
  refused("[x, 1, Conv, [16]]", "must have a layer number");
  refused("[null, 1, Conv, [16]]", "must have a layer number");
  refused("[1.5, 1, Conv, [16]]", "must have a layer number");
  refused("[-9223372036854775808, 1, Conv, [16]]", "before the first");
  refused("[[], 1, Concat, [1]]", "must read 1 to 64 layers");
  refused("[[[0]], 1, Concat, [1]]", "must have a layer number");
  refused("[-1, 1.5, Conv, [16]]", "has 1.5 as its repeats");
  refused("[-1, 100000000000, C2f, [16]]", "has 100000000000 as its repeats");
  refused("[-1, null, C2f, [16]]", "has null as its repeats");
  refused("[-1, 1, [Conv], [16]]", "must have the name of a module");
  refused("[-1, 1, null, [16]]", "'null' is not known");
  refused("[-1, 1, conv, [16]]", "did you mean Conv?");
  refused("[-1, 1, \"Co\\nnv\", [16]]", "'Co?nv' is not known; did you mean Conv?");
  refused("[-1, 1, '" + std::string(5000, 'x') + "', [16]]", "is not known");
  refused("[-1, 1, Conv, 16]", "must have a list of arguments");
  refused("[-1, 1, Conv, {c: 16}]", "must have a list of arguments");
  refused("[-1, 1, Conv, [{c: 16}]]", "has a map among its arguments");
  refused("[-1, 1, Conv, [16.0]]", "argument 1 (channels) is 16, but must be a whole number");
  refused("[-1, 1, Conv, [true]]", "argument 1 (channels) is true");
  refused("[-1, 1, Conv, [1000000]]", "argument 1 (channels) is 1000000");
  refused("[-1, 1, Conv, [-16]]", "argument 1 (channels) is -16");
  refused("[-1, 1, Conv, [16, [3, 3]]]", "argument 2 (kernel) is a list of 2");
  refused("[-1, 1, Conv, [16, 0]]", "argument 2 (kernel) is 0");
  refused("[-1, 1, Conv, [16, 3, 0]]", "argument 3 (stride) is 0");
  refused("[-1, 1, Conv, [16, 3, 1, -1]]", "argument 4 (padding) is -1");
  refused("[-1, 1, Conv, [16, 3, 1, null, 0]]", "argument 5 (groups) is 0");
  refused("[-1, 1, Conv, [16, 3, 1, null, 1, 1, nn.ReLU()]]", "argument 7 (act) is the text 'nn.ReLU()'");
  refused("[-1, 1, Conv, [16, 255, 1, 0]]", "leaves nothing of an image");
  refused("[-1, 1, Conv, [16, 1, 1, 9999]]", "makes the map larger");
  refused("[-1, 1, C2f, [16, maybe]]", "argument 2 (shortcut) is the text 'maybe'");
  refused("[-1, 1, C2f, [16, true, 3]]", "has 3 groups, which do not divide");
  refused("[-1, 1, C2f, [16, true, 1, 0.01]]", "has no channels left inside");
  refused("[-1, 1, C2f, [16, true, 1, 1000]]", "argument 4 (expansion) is 1000");
  refused("[-1, 1, C3k2, [16, true, 0.0625]]", "has no channels left inside");
  refused("[-1, 1, Bottleneck, [16, true, 1, [2, 2]]]", "two odd numbers");
  refused("[-1, 1, Bottleneck, [16, true, 1, [3]]]", "a list of 2 whole numbers");
  refused("[-1, 1, Bottleneck, [16, true, 1, '[3, [']]", "the text '[3, ['");
  refused("[-1, 1, SPP, [16, [4]]]", "must be odd");
  refused("[-1, 1, SPPF, [16, 4]]", "must be odd");
  refused("[-1, 1, C3k2, [400, true, 0.5, true]]", "an attention of 200 channels for 3 heads");
  refused("[-1, 1, nn.Upsample, []]", "needs a scale factor");
  refused("[-1, 1, nn.Upsample, [64]]", "a fixed size is not supported");
  refused("[-1, 1, nn.Upsample, [null, 1.5]]", "a whole number");
  refused("[-1, 1, nn.Upsample, [null, 2, bilinear]]", "the only mode supported");
  refused("[-1, 5, nn.Upsample, [null, 16, nearest]]", "makes the map larger");
  refused("[-1, 1, nn.MaxPool2d, []]", "needs a kernel");
  refused("[-1, 1, nn.MaxPool2d, [2, 2, 2]]", "at most half of the kernel");
  refused("[-1, 1, nn.MaxPool2d, [2, 2, 0, 1]]", "takes at most 3 arguments");
  refused("[-1, 1, nn.Identity, [1]]", "takes no arguments");
  refused("[[-1], 1, Concat, [2]]", "must be 1, the channels");
  refused("[-1, 1, C2PSA, [32]]", "must be equal");
  refused("[-1, 1, PSA, [32]]", "must be equal");
}

TEST(ModelRows, ModulesOfLaterVersionsAreNamed) {
  for (const std::string name :
       {"v10Detect", "SCDown", "C2fCIB", "CIB", "C3x", "A2C2f", "C3k", "nn.ZeroPad2d", "Segment"}) {
    expect_refused(with_row("[-1, 1, " + name + ", [16]]"), "the module " + name + " is not supported yet");
  }
}

TEST(ModelRows, WrongHeads) {
  const auto refused = [](const std::string& row, const std::string& part) {
    expect_refused("nc: 2\nbackbone:\n- [-1, 1, Conv, [16, 3, 2]]\n- [-1, 1, Conv, [16, 3, 1, 0]]\nhead:\n- " + row,
                   part);
  };
  refused("[0, 1, Detect, [nc]]", "Detect reads a list of layers");
  refused("[[0], 1, Detect, []]", "write [nc]");
  refused("[[0], 1, Detect, [3]]", "write [nc]");
  refused("[[0], 1, Detect, [nc, 16]]", "takes at most 1 arguments");
  refused("[[0], 2, Detect, [nc]]", "Detect cannot be repeated");
  refused("[[0, 1], 1, Detect, [nc]]", "gets a map of 126 x 126 in level 1");
  refused("[[], 1, Detect, [nc]]", "must read 1 to 64 layers");
  expect_refused("nc: 2\nbackbone: []\nhead: []\n", "the last row must be the detection head");
  expect_refused("nc: 2\nbackbone: 5\nhead: []\n", "backbone must be a list of rows");
  expect_refused("nc: 2\nbackbone: {}\nhead: []\n", "backbone must be a list of rows");
  const ModelSpec bare = parse_model_spec("nc: 2\nbackbone: []\nhead: [[[-1], 1, Detect, [nc]]]\n", "net.yaml");
  EXPECT_EQ(bare.head().strides, std::vector<int>{1});
  EXPECT_EQ(bare.head().channels, std::vector<int>{3});
}

}  // namespace
}  // namespace boxcar
