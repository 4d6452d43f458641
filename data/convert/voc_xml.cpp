#include "boxcar/data/convert/voc_xml.h"

#include <cmath>
#include <pugixml.hpp>
#include <string_view>

#include "boxcar/data/dataset/number.h"
#include "boxcar/data/image/file_bytes.h"
#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/quote.h"

namespace boxcar {
namespace {

constexpr std::size_t kMostBytes = std::size_t{64} << 20;
constexpr double kMostPixels = 1e6;  // a side, and so a coordinate

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::string_view text_of(const pugi::xml_node& parent, const char* name) {
  return trimmed(parent.child(name).text().get());
}

double number_of(const pugi::xml_node& parent, const char* name) {
  const std::string_view text = text_of(parent, name);
  const auto value = parse_number(text);
  if (!value || !(std::abs(*value) <= kMostPixels))
    fail<DataError>("<{}> is {}, not a number of pixels", name, quote(text));
  return *value;
}

VocObject read_object(const pugi::xml_node& node) {
  VocObject object;
  object.name = text_of(node, "name");
  if (object.name.empty()) fail<DataError>("an <object> has no <name>");
  object.difficult = text_of(node, "difficult") == "1";
  const pugi::xml_node box = node.child("bndbox");
  if (!box) fail<DataError>("the <object> {} has no <bndbox>", quote(object.name));
  object.xmin = number_of(box, "xmin"), object.ymin = number_of(box, "ymin");
  object.xmax = number_of(box, "xmax"), object.ymax = number_of(box, "ymax");
  return object;
}

VocAnnotation read_annotation(const pugi::xml_node& node) {
  if (!node) fail<DataError>("it has no <annotation>");
  VocAnnotation out;
  out.image = std::filesystem::path(text_of(node, "filename")).filename().string();
  if (const pugi::xml_node size = node.child("size")) {
    out.width = static_cast<int>(number_of(size, "width"));
    out.height = static_cast<int>(number_of(size, "height"));
  }
  for (const pugi::xml_node& object : node.children("object")) out.objects.push_back(read_object(object));
  return out;
}

}  // namespace

VocAnnotation read_voc_xml(const std::filesystem::path& file) {
  const auto bytes = read_file_bytes(file, kMostBytes);
  pugi::xml_document document;
  const pugi::xml_parse_result result = document.load_buffer(bytes.data(), bytes.size());
  if (!result)
    fail<DataError>("{}: not valid XML at byte {}: {}", quote_path(file), result.offset, result.description());
  try {
    return read_annotation(document.child("annotation"));
  } catch (const DataError& e) {
    fail<DataError>("{}: {}", quote_path(file), e.what());
  }
}

}  // namespace boxcar
