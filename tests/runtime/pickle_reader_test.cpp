#include "boxcar/runtime/files/pickle_reader.h"

#include <gtest/gtest.h>

#include "boxcar/runtime/files/torch_pickle.h"
#include "support/pickles.h"

namespace boxcar {
namespace {

using Kind = PickleValue::Kind;
using test::global_op;
using test::int_op;
using test::is_line_with;
using test::little_endian;
using test::message_of;
using test::pickle_of;
using test::text_op;

PickleValue read(const std::string& pickle) {
  TorchMeaning meaning;
  return read_pickle(pickle, meaning);
}
PickleValue value_of(const std::string& body) { return read(pickle_of(body)); }
std::string refusal(const std::string& pickle) {
  return message_of<IoError>([&] { read(pickle); });
}

TEST(PickleReader, Numbers) {
  EXPECT_TRUE(value_of("N").is_null());
  EXPECT_EQ(value_of("\x88").boolean(), true);
  EXPECT_EQ(value_of("\x89").boolean(), false);
  EXPECT_EQ(value_of("K\xff").integer(), 255);
  EXPECT_EQ(value_of("M\xff\xff").integer(), 65535);
  EXPECT_EQ(value_of(int_op(-2)).integer(), -2);
  EXPECT_EQ(value_of(std::string("\x8a\0", 2)).integer(), 0);
  EXPECT_EQ(value_of("\x8a\x01\xfe").integer(), -2);
  EXPECT_EQ(value_of("\x8a\x05" + little_endian(std::uint64_t{1} << 35, 5)).integer(), std::int64_t{1} << 35);
  EXPECT_EQ(value_of("\x8a\x08" + little_endian(std::uint64_t{1} << 63, 8)).integer(), INT64_MIN);
  EXPECT_EQ(value_of("\x8b" + little_endian(2, 4) + "\x01\x01").integer(), 257);
  EXPECT_EQ(value_of("\x8a\x09" + std::string(9, '\x7f')).class_name(), "builtins.int");
  EXPECT_EQ(value_of(std::string("G\x3f\xf8\0\0\0\0\0\0", 9)).number(), 1.5);
}

TEST(PickleReader, TextsAndBytes) {
  EXPECT_EQ(*value_of(text_op("gr\xc3\xbcn")).text(), "gr\xc3\xbcn");
  EXPECT_EQ(*value_of("\x8c\x02hi").text(), "hi");
  EXPECT_EQ(*value_of("U\x02hi").text(), "hi");
  EXPECT_EQ(*value_of("\x8d" + little_endian(2, 8) + "hi").text(), "hi");
  EXPECT_EQ(*value_of("C\x02hi").byte_string(), "hi");
  EXPECT_EQ(*value_of("B" + little_endian(2, 4) + "hi").byte_string(), "hi");
  EXPECT_EQ(*value_of(global_op("_codecs", "encode") + text_op("a\xc3\xbf\xc2\x80") + text_op("latin1") + "\x86R")
                 .byte_string(),
            "a\xff\x80");
}

TEST(PickleReader, ContainersInAllTheirOpcodes) {
  EXPECT_EQ(value_of("](K\x01K\x02"
                     "eK\x03"
                     "a")
                .items()
                .size(),
            3u);
  EXPECT_EQ(value_of("(K\x01K\x02l").kind(), Kind::kList);
  EXPECT_EQ(value_of("(K\x01K\x02K\x03K\x04t").items().size(), 4u);
  EXPECT_EQ(value_of("K\x01\x85").items().size(), 1u);
  EXPECT_EQ(value_of("K\x01K\x02\x86").items()[1].integer(), 2);
  EXPECT_EQ(value_of("K\x01K\x02K\x03\x87").items()[2].integer(), 3);
  EXPECT_EQ(value_of("\x8f(K\x01K\x02\x90").items().size(), 2u);
  EXPECT_EQ(value_of("(K\x01\x91").kind(), Kind::kSet);
  EXPECT_EQ(value_of("}" + text_op("a") + "K\x01s(" + text_op("b") + "K\x02u").find("b").integer(), 2);
  EXPECT_EQ(value_of("(" + text_op("a") +
                     "K\x01"
                     "d")
                .find("a")
                .integer(),
            1);
  EXPECT_EQ(value_of("K\x01K\x02"
                     "0")
                .integer(),
            1);
  EXPECT_EQ(value_of("K\x01(K\x02K\x03"
                     "1")
                .integer(),
            1);
  EXPECT_EQ(value_of("K\x01(0").integer(), 1);
  EXPECT_EQ(value_of("K\x05"
                     "2\x86")
                .items()[0]
                .integer(),
            5);
}

TEST(PickleReader, MemoAndProtocol4) {
  EXPECT_EQ(value_of("K\x07q\x05"
                     "0h\x05")
                .integer(),
            7);
  EXPECT_EQ(value_of("K\x07r" + little_endian(70000, 4) + "0j" + little_endian(70000, 4)).integer(), 7);
  const std::string framed = "\x80\x04\x95" + little_endian(9, 8) +
                             "\x8c\x01m\x94\x8c\x01"
                             "C\x94\x93)\x81.";
  EXPECT_EQ(read(framed).class_name(), "m.C");
  EXPECT_EQ(refusal("\x80\x06N."), "the pickle has protocol 6; 2 to 5 can be read");
}

TEST(PickleReader, WhatKnownGlobalsMean) {
  EXPECT_EQ(value_of(global_op("collections", "OrderedDict") + "]](K\x01K\x02"
                                                               "ea\x85R")
                .find(1)
                .integer(),
            2);
  EXPECT_EQ(value_of(global_op("__builtin__", "set") + "](K\x01"
                                                       "e\x85R")
                .kind(),
            Kind::kSet);
  EXPECT_EQ(value_of(global_op("torch", "Size") + "K\x01\x85\x85R").kind(), Kind::kTuple);
  EXPECT_EQ(*value_of(global_op("torch", "device") + text_op("cuda") + "K\x01\x86R").text(), "cuda:1");
  EXPECT_EQ(
      *value_of(global_op("pathlib", "PosixPath") + "(" + text_op("/") + text_op("a") + text_op("b.pt") + "tR").text(),
      "/a/b.pt");
  EXPECT_EQ(*value_of(global_op("pathlib._local", "WindowsPath") + "(" + text_op("C:\\") + text_op("a") + "tR").text(),
            "C:\\a");
  EXPECT_EQ(value_of(global_op("torch", "float16")).class_name(), "torch.float16");
  const PickleValue layer = value_of(global_op("torch.nn", "X") + ")\x81}" + text_op("n") + "K\x03sb");
  EXPECT_EQ(layer.class_name(), "torch.nn.X");
  EXPECT_EQ(layer.attribute("n").integer(), 3);
}

std::string numpy_number(const std::string& module, const std::string& type, const std::string& order,
                         const std::string& bytes) {
  return global_op(module, "scalar") + global_op("numpy", "dtype") + text_op(type) + "\x89\x88\x87R(K\x03" +
         text_op(order) + "NNNtb" + "C" + little_endian(bytes.size(), 1) + bytes + "\x86R";
}

TEST(PickleReader, NumPyNumbers) {
  const std::string half_little = little_endian(0x3fe0000000000000, 8);
  EXPECT_EQ(value_of(numpy_number("numpy.core.multiarray", "f8", "<", half_little)).number(), 0.5);
  EXPECT_EQ(
      value_of(numpy_number("numpy._core.multiarray", "f8", ">", {half_little.rbegin(), half_little.rend()})).number(),
      0.5);
  EXPECT_EQ(value_of(numpy_number("numpy._core.multiarray", "f4", "<", little_endian(0x3f000000, 4))).number(), 0.5);
  EXPECT_EQ(value_of(numpy_number("numpy._core.multiarray", "f2", "<", little_endian(0x3800, 2))).number(), 0.5);
  EXPECT_EQ(value_of(numpy_number("numpy._core.multiarray", "i8", "<", little_endian(~std::uint64_t{0}, 8))).integer(),
            -1);
  EXPECT_EQ(value_of(numpy_number("numpy._core.multiarray", "b1", "|", "\x01")).boolean(), true);
  EXPECT_EQ(refusal(pickle_of(numpy_number("numpy._core.multiarray", "f8", "<", "123"))),
            "the pickle builds a NumPy number from unfit values");
}

TEST(PickleReader, CallsOfAnythingElseAreRefusedByName) {
  for (const auto& [module, name] : {std::pair{"os", "system"},
                                     {"posix", "system"},
                                     {"builtins", "eval"},
                                     {"__builtin__", "exec"},
                                     {"subprocess", "Popen"},
                                     {"torch", "load"},
                                     {"torch.storage", "_load_from_bytes"},
                                     {"nnx", "C"}}) {
    const std::string expected = std::string(module == std::string("__builtin__") ? "builtins" : module) + "." + name;
    EXPECT_TRUE(is_line_with(refusal(pickle_of(global_op(module, name) + text_op("x") + "\x85R")),
                             "'" + expected + "', which is not data and was not run"));
  }
  EXPECT_TRUE(is_line_with(refusal(pickle_of("K\x01)R")), "calls an integer"));
  EXPECT_TRUE(is_line_with(refusal(pickle_of("K\x01)\x81")), "instantiates an integer"));
}

TEST(PickleReader, OpcodesThatAreNotForDataAreRefused) {
  for (const char op : std::string("iopPFILSVg\x82\x83\x84\x96\x97\x98\xff") + '\0') {
    EXPECT_TRUE(is_line_with(refusal(pickle_of(std::string("NN") + op)), "does not know")) << int(op);
  }
}

TEST(PickleReader, MalformedPickles) {
  EXPECT_TRUE(is_line_with(refusal(""), "not a pickle"));
  EXPECT_TRUE(is_line_with(refusal("hello"), "not a pickle"));
  EXPECT_TRUE(is_line_with(refusal("\x80"), "claims 1 bytes"));
  EXPECT_TRUE(is_line_with(refusal("\x80\x02"), "without STOP"));
  EXPECT_TRUE(is_line_with(refusal("\x80\x02."), "underflow"));
  EXPECT_TRUE(is_line_with(refusal("\x80\x02N"), "without STOP"));
  EXPECT_TRUE(is_line_with(refusal("\x80\x02X\xff\xff\xff\x7f"), "claims 2147483647 bytes"));
  EXPECT_TRUE(
      is_line_with(refusal("\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\xff"), "claims 18446744073709551615 bytes"));
  EXPECT_TRUE(is_line_with(refusal("\x80\x02"
                                   "cos"),
                           "within a line"));
  EXPECT_TRUE(is_line_with(refusal(pickle_of("h\x01")), "bad memo index 1"));
  EXPECT_TRUE(is_line_with(refusal(pickle_of("q\x01")), "underflow"));
  EXPECT_TRUE(is_line_with(refusal(pickle_of("t")), "finds no mark"));
  EXPECT_TRUE(is_line_with(refusal(pickle_of("N(R")), "underflow"));
  EXPECT_TRUE(is_line_with(refusal(pickle_of("K\x01K\x02"
                                             "a")),
                           "adds items to an integer"));
  EXPECT_TRUE(is_line_with(refusal(pickle_of("]K\x01K\x02s")), "adds keys to a list"));
  EXPECT_TRUE(is_line_with(refusal(pickle_of("}(K\x01u")), "a key without a value"));
  EXPECT_TRUE(is_line_with(refusal(pickle_of("]Nb")), "adds attributes to a list"));
  EXPECT_TRUE(is_line_with(refusal(pickle_of(global_op("m", "C") + ")\x81K\x01"
                                                                   "a")),
                           "class 'm.C'"));
  EXPECT_TRUE(is_line_with(refusal(pickle_of("NQ")), "not a storage"));
  EXPECT_TRUE(is_line_with(refusal(pickle_of("K\x01K\x02\x93")), "names a class by an integer"));
}

// A record that only looks like a storage.
TEST(PickleReader, AForgedStorageIsRefused) {
  const std::string forged = global_op("torch", "storage") + "K\x01K\x02K\x03\x87\x81";
  EXPECT_TRUE(
      is_line_with(refusal(pickle_of(global_op("torch._utils", "_rebuild_tensor_v2") + "(" + forged + "K\x01))tR")),
                   "builds a tensor from unfit values"));
}

TEST(PickleReader, ACycleIsCut) {
  const PickleValue dict = value_of("}q\x01" + text_op("self") + "h\x01s");
  EXPECT_EQ(dict.find("self").kind(), Kind::kCycle);
  const PickleValue list = value_of(
      "]q\x01]q\x02h\x01"
      "ah\x01h\x02"
      "a0"
      "a");
  EXPECT_EQ(list.kind(), Kind::kList);
  // A value that contains itself, thrown away; one cut short; a record whose state is itself.
  EXPECT_EQ(value_of("]2a0K\x01").integer(), 1);
  EXPECT_TRUE(is_line_with(refusal("\x80\x02]2a"), "without STOP"));
  EXPECT_EQ(value_of(global_op("m", "C") + ")\x81"
                                           "2b")
                .state()
                .kind(),
            Kind::kCycle);
}

TEST(PickleReader, DepthIsBounded) {
  EXPECT_EQ(value_of(std::string(1000, ']') + std::string(999, 'a')).kind(), Kind::kList);
  EXPECT_TRUE(is_line_with(refusal(pickle_of(std::string(1001, ']') + std::string(1000, 'a'))), "nested too deeply"));
  EXPECT_TRUE(is_line_with(refusal(pickle_of(std::string(200'000, ']') + std::string(199'999, 'a'))), "too deeply"));
  EXPECT_TRUE(is_line_with(refusal(pickle_of(std::string(2'000'001, ']'))), "more than 2000000 values"));
}

// Doubling a list forty times describes 2^40 mentions in a few bytes: read once each.
TEST(PickleReader, SharedValuesStayShared) {
  std::string body = "]";
  for (int i = 0; i < 40; ++i) body += "2\x86";
  EXPECT_EQ(value_of(body).items().size(), 2u);
}

}  // namespace
}  // namespace boxcar
