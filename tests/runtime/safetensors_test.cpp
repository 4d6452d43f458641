#include "boxcar/runtime/files/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "boxcar/runtime/files/quote.h"
#include "support/files.h"
#include "support/folder.h"
#include "support/golden.h"

namespace boxcar {
namespace {

namespace fs = std::filesystem;
using test::Folder;
using test::is_line_with;
using test::message_of;
using test::read_plainly;
using test::write_plainly;

HostTensor counting(DType dtype, std::vector<std::int64_t> shape) {
  HostTensor tensor{dtype, std::move(shape), {}};
  tensor.bytes.resize(static_cast<std::size_t>(tensor.count()) * size_of(dtype));
  for (std::size_t i = 0; i < tensor.bytes.size(); ++i) tensor.bytes[i] = static_cast<std::byte>(i * 7 + 1);
  return tensor;
}

std::string file_text(const std::string& header, const std::string& data) {
  const std::uint64_t length = header.size();
  std::string text(8, '\0');
  std::memcpy(text.data(), &length, 8);
  return text + header + data;
}

std::string refusal(const std::string& content) {
  const Folder folder;
  const auto file = write_plainly(folder / "bad.safetensors", content);
  const auto message = message_of<IoError>([&] { read_safetensors(file); });
  EXPECT_TRUE(is_line_with(message, quote_path(file)));
  EXPECT_EQ(message_of<IoError>([&] { read_safetensors_metadata(file); }), message);
  return message;
}
std::string refused_header(const std::string& header, std::size_t data_bytes = 4) {
  return refusal(file_text(header, std::string(data_bytes, '\1')));
}
std::string entry(const std::string& name, const std::string& shape, int begin, int end) {
  return "\"" + name + "\":{\"dtype\":\"F32\",\"shape\":" + shape + ",\"data_offsets\":[" + std::to_string(begin) +
         "," + std::to_string(end) + "]}";
}

TEST(Safetensors, ReadsAFileWrittenByHand) {
  const Folder folder;
  const std::string header =
      "{ \"__metadata__\": {\"format\": \"pt\"}, \"b\": {\"shape\": [], \"data_offsets\": [4, 6], \"dtype\": "
      "\"BF16\"},\n"
      "\"a\": {\"dtype\": \"U8\", \"shape\": [2, 2], \"data_offsets\": [0, 4]}, \"e\": {\"dtype\": \"F64\", \"shape\": "
      "[3, 0], \"data_offsets\": [6, 6]} }";
  const auto file = write_plainly(folder / "a.safetensors", file_text(header, "\1\2\3\4\x80\x3f"));
  const NamedTensors tensors = read_safetensors(file);
  ASSERT_EQ(tensors.size(), 3u);
  EXPECT_EQ(tensors[0].first, "b");
  EXPECT_EQ(tensors[0].second, (HostTensor{DType::kBF16, {}, {std::byte{0x80}, std::byte{0x3f}}}));
  EXPECT_EQ(tensors[1].first, "a");
  EXPECT_EQ(tensors[1].second.shape, (std::vector<std::int64_t>{2, 2}));
  EXPECT_EQ(tensors[1].second.bytes[3], std::byte{4});
  EXPECT_EQ(tensors[2].second, (HostTensor{DType::kF64, {3, 0}, {}}));
  EXPECT_EQ(read_safetensors_metadata(file), (TextMap{{"format", "pt"}}));
}

TEST(Safetensors, RoundTripKeepsOrderTypesAndBits) {
  NamedTensors tensors;
  for (const DType dtype : {DType::kBool, DType::kF32, DType::kU8, DType::kF64, DType::kBF16, DType::kI8, DType::kI64,
                            DType::kF16, DType::kI16, DType::kI32}) {
    tensors.emplace_back("model." + std::string(name_of(dtype)), counting(dtype, {3, 1, 5}));
  }
  tensors.emplace_back("scalar", counting(DType::kF32, {}));
  tensors.emplace_back("empty", counting(DType::kF32, {0, 4}));
  tensors.emplace_back("quoted \"name\" \xe7\x8c\xab\n", counting(DType::kF32, {1}));
  const Folder folder;
  write_safetensors(folder / "a.safetensors", tensors, {{"note", "a\"b"}});
  EXPECT_EQ(read_safetensors(folder / "a.safetensors"), tensors);
  EXPECT_EQ(read_safetensors_metadata(folder / "a.safetensors"), (TextMap{{"note", "a\"b"}}));
  EXPECT_EQ(folder.listing(), "a.safetensors");
}

TEST(Safetensors, WritesTheSameBytesAlignedToEachType) {
  const NamedTensors tensors{{"small", counting(DType::kU8, {3})},
                             {"half", counting(DType::kF16, {5})},
                             {"large", counting(DType::kI64, {1})}};
  const Folder folder;
  write_safetensors(folder / "a", tensors);
  write_safetensors(folder / "b", tensors);
  const std::string bytes = read_plainly(folder / "a");
  EXPECT_EQ(bytes, read_plainly(folder / "b"));
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  EXPECT_EQ(length % 8, 0u);
  const std::string header = bytes.substr(8, length);
  EXPECT_EQ(header.substr(0, header.find_last_not_of(' ') + 1),
            "{\"small\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[18,21]},"
            "\"half\":{\"dtype\":\"F16\",\"shape\":[5],\"data_offsets\":[8,18]},"
            "\"large\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]}}");
}

TEST(Safetensors, AFileWithoutTensors) {
  const Folder folder;
  write_safetensors(folder / "a", {});
  EXPECT_EQ(read_plainly(folder / "a"), file_text("{}      ", ""));
  EXPECT_TRUE(read_safetensors(folder / "a").empty());
}

TEST(Safetensors, RefusesArgumentsItCannotWrite) {
  const Folder folder;
  const HostTensor good = counting(DType::kF32, {2});
  HostTensor short_one = good, negative = good;
  short_one.bytes.pop_back();
  negative.shape = {-2};
  const auto refuse = [&](const NamedTensors& tensors) {
    return message_of<ArgumentError>([&] { write_safetensors(folder / "a", tensors); });
  };
  EXPECT_TRUE(is_line_with(refuse({{"w", good}, {"w", good}}), "'w' (twice"));
  EXPECT_TRUE(is_line_with(refuse({{"__metadata__", good}}), "reserved"));
  EXPECT_TRUE(is_line_with(refuse({{"w", short_one}}), "7 bytes, which do not fit"));
  EXPECT_TRUE(is_line_with(refuse({{"w", negative}}), "do not fit its shape"));
  EXPECT_TRUE(is_line_with(refuse({{"\xff", good}}), "not UTF-8"));
  EXPECT_EQ(folder.listing(), "");
}

TEST(Safetensors, RefusesBrokenFrames) {
  EXPECT_TRUE(is_line_with(refusal(""), "holds 0 bytes"));
  EXPECT_TRUE(is_line_with(refusal("1234567"), "holds 7 bytes"));
  EXPECT_TRUE(is_line_with(refusal(std::string("\x10\0\0\0\0\0\0\0{}", 10)), "cut short"));
  EXPECT_TRUE(is_line_with(refusal(std::string(8, '\xff')), "more than 100 MB"));
  EXPECT_TRUE(is_line_with(refusal(std::string(8, '\0')), "does not begin with '{'"));
  EXPECT_TRUE(is_line_with(refusal("<!DOCTYPE html>"), "more than 100 MB"));
}

TEST(Safetensors, RefusesBrokenJson) {
  for (const std::string bad : {"{", "{]", "{\"a\"", "{}}", "{\"a\":nan}", "{\"\xff\":1}", "{\"a\":\"\\ud800\"}"}) {
    EXPECT_TRUE(is_line_with(refused_header(bad), "not well-formed JSON")) << bad;
  }
  EXPECT_TRUE(is_line_with(refused_header("[]"), "does not begin"));
  EXPECT_TRUE(is_line_with(refused_header("{\"a\":" + std::string(100'000, '[')), "a list"));
  EXPECT_TRUE(is_line_with(refused_header("{\"a\":{\"dtype\":{}}}"), "an object for 'a'"));
}

TEST(Safetensors, RefusesOtherShapesOfHeader) {
  EXPECT_TRUE(is_line_with(refused_header("{\"a\":1}"), "a number for 'a'"));
  EXPECT_TRUE(is_line_with(refused_header("{\"a\":null}"), "null"));
  EXPECT_TRUE(is_line_with(refused_header("{\"a\":{\"dtype\":1}}"), "a number"));
  EXPECT_TRUE(is_line_with(refused_header("{\"a\":{\"dtype\":\"F32\",\"shape\":\"x\"}}"), "a text"));
  EXPECT_TRUE(is_line_with(refused_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[\"x\"]}}"), "a text"));
  EXPECT_TRUE(is_line_with(refused_header("{\"a\":{\"shape\":[true]}}"), "a truth value"));
  EXPECT_TRUE(is_line_with(refused_header("{\"a\":{\"shape\":[1.5]}}"), "a fraction"));
  EXPECT_TRUE(is_line_with(refused_header("{\"a\":{\"shape\":[-1]}}"), "a negative number"));
  EXPECT_TRUE(is_line_with(refused_header("{\"a\":{\"shape\":[18446744073709551615]}}"), "above 2^63"));
  EXPECT_TRUE(is_line_with(refused_header("{\"a\":{\"shape\":[[1]]}}"), "a list"));
  EXPECT_TRUE(is_line_with(refused_header("{\"a\":{\"data_offsets\":[0,1,2]}}"), "more than 2 numbers"));
  EXPECT_TRUE(is_line_with(refused_header("{\"a\":{\"data_offsets\":[0]}}"), "1 of 2 numbers"));
  EXPECT_TRUE(is_line_with(refused_header("{\"a\":{\"extra\":1}}"), "unknown field 'extra'"));
  EXPECT_TRUE(is_line_with(refused_header("{\"a\":{}}"), "lacks dtype"));
  EXPECT_TRUE(is_line_with(refused_header("{\"__metadata__\":{\"a\":1}}"), "for '__metadata__'"));
  EXPECT_TRUE(is_line_with(refused_header("{\"__metadata__\":{\"a\":\"x\",\"a\":\"y\"}}"), "'a' twice"));
  EXPECT_TRUE(is_line_with(refused_header("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}"), "'dtype' twice"));
  const std::string one = entry("a", "[1]", 0, 4);
  EXPECT_TRUE(is_line_with(refused_header("{" + one + "," + one + "}"), "'a' twice"));
}

TEST(Safetensors, RefusesTensorsThatDoNotFitTheFile) {
  const auto refuse = [](const std::string& entries, std::size_t bytes) {
    return refused_header("{" + entries + "}", bytes);
  };
  EXPECT_TRUE(is_line_with(refuse(entry("a", "[2]", 0, 8), 4), "cut short"));
  EXPECT_TRUE(is_line_with(refuse(entry("a", "[2]", 0, 8), 12), "4 bytes follow"));
  EXPECT_TRUE(is_line_with(refuse(entry("a", "[2]", 0, 4), 4), "needs 8 bytes"));
  EXPECT_TRUE(is_line_with(refuse(entry("a", "[1]", 8, 4), 8), "needs 4 bytes"));
  EXPECT_TRUE(is_line_with(refuse(entry("a", "[1]", 4, 8), 8), "gap before tensor 'a'"));
  EXPECT_TRUE(is_line_with(refuse(entry("a", "[2]", 0, 8) + "," + entry("b", "[1]", 4, 8), 8), "overlaps"));
  EXPECT_TRUE(is_line_with(refuse(entry("a", "[4611686018427387904]", 0, 0), 0), "overflows"));
  EXPECT_TRUE(is_line_with(refuse(entry("a", "[4294967296,4294967296]", 0, 0), 0), "overflows"));
  EXPECT_TRUE(is_line_with(refuse(entry("a", "[0,4294967296,4294967296]", 0, 0), 0), "overflows"));
  EXPECT_TRUE(is_line_with(refused_header("{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[4],\"data_offsets\":[0,4]}}"),
                           "'F8_E4M3', which is not supported"));
}

// Every golden file, against the small reader of the tests.
TEST(Safetensors, ReadsTheGoldenFiles) {
  BOXCAR_NEED_SHARED();
  int files = 0;
  for (const auto& found : fs::recursive_directory_iterator(test::shared("golden"))) {
    if (found.path().extension() != ".safetensors") continue;
    SCOPED_TRACE(found.path().string());
    const auto expected = test::read_golden(found.path());
    const NamedTensors tensors = read_safetensors(found.path());
    ASSERT_EQ(tensors.size(), expected.size());
    for (const auto& [name, tensor] : tensors) {
      const auto& other = expected.at(name);
      ASSERT_TRUE(tensor.dtype == other.dtype && tensor.shape == other.shape && tensor.bytes == other.bytes) << name;
    }
    ++files;
  }
  EXPECT_GE(files, 55);
}

// A truncated or altered file is refused or read, never worse: the sanitised build watches.
TEST(Safetensors, SurvivesEveryTruncationAndByteChange) {
  const Folder folder;
  write_safetensors(folder / "a", {{"x", counting(DType::kF32, {2})}, {"y", counting(DType::kI16, {1, 3})}},
                    {{"k", "v"}});
  const std::string good = read_plainly(folder / "a");
  const auto attempt = [&](const std::string& content) {
    const auto file = write_plainly(folder / "b", content);
    try {
      read_safetensors(file);
    } catch (const IoError& error) {
      EXPECT_TRUE(is_line_with(error.what(), quote_path(file)));
    }
  };
  for (std::size_t i = 0; i < good.size(); ++i) {
    attempt(good.substr(0, i));
    for (const char value : {'\xff', '9', '"'}) {
      std::string changed = good;
      changed[i] = value;
      attempt(changed);
    }
  }
}

}  // namespace
}  // namespace boxcar
