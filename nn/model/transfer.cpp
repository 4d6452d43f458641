#include "boxcar/nn/model/transfer.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <utility>

namespace boxcar {
namespace {

using Shape64 = std::vector<std::int64_t>;
constexpr std::string_view kFirstConvolution = "model.0.conv.weight";

class Source {
 public:
  explicit Source(const NamedTensors& weights) {
    for (const auto& [name, tensor] : weights) by_name_.emplace(name, &tensor);
  }
  const HostTensor* find(std::string_view name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
  }
  bool has(const std::string& name, const Shape64& shape) const {
    const HostTensor* tensor = find(name);
    return tensor && tensor->shape == shape;
  }

 private:
  std::map<std::string_view, const HostTensor*> by_name_;
};

std::string branch_name(const std::string& head, std::size_t level) { return head + ".cv3." + std::to_string(level); }

/// The last weight of a class branch, [rows,width,1,1]; null where there is none of four sides.
const HostTensor* class_rows(const Source& source, const std::string& branch) {
  const HostTensor* tensor = source.find(branch + ".2.weight");
  return tensor && tensor->shape.size() == 4 ? tensor : nullptr;
}

bool has_branch(const Source& source, const std::string& branch, std::int64_t in, std::int64_t width, bool legacy) {
  const HostTensor* rows = class_rows(source, branch);
  if (!rows || rows->shape != Shape64{rows->shape[0], width, 1, 1}) return false;
  if (legacy) {
    return source.has(branch + ".0.conv.weight", {width, in, 3, 3}) &&
           source.has(branch + ".1.conv.weight", {width, width, 3, 3});
  }
  return source.has(branch + ".0.0.conv.weight", {in, 1, 3, 3}) &&
         source.has(branch + ".0.1.conv.weight", {width, in, 1, 1}) &&
         source.has(branch + ".1.0.conv.weight", {width, 1, 3, 3}) &&
         source.has(branch + ".1.1.conv.weight", {width, width, 1, 1});
}

std::optional<int> find_class_width(const Source& source, const std::string& head, const std::vector<int>& channels,
                                    bool legacy) {
  const HostTensor* rows = class_rows(source, branch_name(head, 0));
  if (!rows) return std::nullopt;
  // The weights hold every tensor of the branches, so a width from a broken file is no larger than the file.
  for (std::size_t i = 0; i < channels.size(); ++i) {
    if (!has_branch(source, branch_name(head, i), channels[i], rows->shape[1], legacy)) return std::nullopt;
  }
  return static_cast<int>(rows->shape[1]);
}

struct Head {
  std::string name;
  nn::Detect* detect;
};

std::vector<Head> heads_of(nn::Module& network) {
  std::vector<Head> heads;
  network.for_each_module([&](const std::string& name, nn::Module& module) {
    if (auto* detect = dynamic_cast<nn::Detect*>(&module)) heads.push_back({name, detect});
  });
  return heads;
}

void fit(const std::vector<Head>& heads, const Source& source) {
  for (const auto& [name, detect] : heads) {
    const auto width = find_class_width(source, name, detect->channels(), detect->legacy());
    if (width && *width != detect->class_width()) detect->rebuild_class_branches(*width);
  }
}

// ---- rows of classes

std::string normalised(std::string name) {
  const auto space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  name.erase(std::find_if_not(name.rbegin(), name.rend(), space).base(), name.end());
  name.erase(name.begin(), std::find_if_not(name.begin(), name.end(), space));
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return name;
}

/// For each class of the network its row in the weights, -1 for none; nothing where rows are not told by name.
std::optional<std::vector<int>> rows_by_name(const TransferOptions& options) {
  if (!options.remap_classes || are_placeholders(options.source_names) || are_placeholders(options.target_names)) {
    return std::nullopt;
  }
  std::vector<std::string> from = options.source_names, to = options.target_names;
  std::ranges::transform(from, from.begin(), normalised);
  std::ranges::transform(to, to.begin(), normalised);
  if (from == to) return std::nullopt;
  std::vector<int> rows;
  for (const std::string& name : to) {
    const auto found = std::ranges::find(from, name);
    rows.push_back(found == from.end() ? -1 : static_cast<int>(found - from.begin()));
  }
  return rows;
}

/// A tensor for the network and the elements of it that count.
struct Part {
  HostTensor tensor;
  std::vector<bool> given;

  explicit Part(const Shape64& shape) : tensor{DType::kF32, shape, {}} {
    tensor.bytes.resize(static_cast<std::size_t>(tensor.count()) * sizeof(float));
    given.resize(static_cast<std::size_t>(tensor.count()));
  }
  void set(std::int64_t index, float value) {
    tensor.as<float>()[index] = value;
    given[static_cast<std::size_t>(index)] = true;
  }
};

/// Carries rows over; the shapes agree but for the number of rows.
void load_rows(nn::Parameter& p, const HostTensor& from, const std::vector<int>& rows, Stream& stream) {
  const std::vector<float> values = nn::floats_of(p.name, from);
  Part part(p.file_shape());
  const std::int64_t row = from.count() / from.shape[0];
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] < 0) continue;
    for (std::int64_t k = 0; k < row; ++k) {
      part.set(static_cast<std::int64_t>(i) * row + k, values[static_cast<std::size_t>(rows[i] * row + k)]);
    }
  }
  nn::load(p, part.tensor, stream, part.given);
}

// ---- the first convolution

bool differs_in_planes(const nn::Parameter& p, const HostTensor& from) {
  Shape64 shape = p.file_shape();
  if (shape.size() != 4 || from.shape.size() != 4 || shape[1] == from.shape[1] || from.shape[1] < 1) return false;
  shape[1] = from.shape[1];
  return shape == from.shape;
}

void load_planes(nn::Parameter& p, const HostTensor& from, Stream& stream) {
  const std::vector<float> values = nn::floats_of(p.name, from);
  Part part(p.file_shape());
  const std::int64_t filters = from.shape[0], have = from.shape[1], want = part.tensor.shape[1];
  const std::int64_t plane = from.shape[2] * from.shape[3];
  const auto value = [&](std::int64_t filter, std::int64_t channel, std::int64_t k) {
    return values[static_cast<std::size_t>((filter * have + channel) * plane + k)];
  };
  for (std::int64_t o = 0; o < filters; ++o) {
    for (std::int64_t c = 0; c < std::min(have, want); ++c) {
      for (std::int64_t k = 0; k < plane; ++k) {
        float v = value(o, c, k);
        for (std::int64_t more = 1; want == 1 && more < have; ++more) v += value(o, more, k);
        part.set((o * want + c) * plane + k, v);
      }
    }
  }
  nn::load(p, part.tensor, stream, part.given);
}

// ---- all together

class Transferring {
 public:
  Transferring(nn::Module& network, const NamedTensors& weights, const TransferOptions& options, Stream& stream)
      : network_(network), source_(weights), options_(options), stream_(stream), heads_(heads_of(network)) {}

  Transfer run() {
    fit(heads_, source_);
    if (const auto rows = rows_by_name(options_)) {
      for (const Head& head : heads_) find_class_rows(head, *rows);
    }
    network_.for_each_parameter([&](const std::string& name, nn::Parameter& p) {
      ++result_.tensors;
      const HostTensor* tensor = source_.find(name);
      if (tensor && take(name, p, *tensor)) result_.taken.push_back(name);
    });
    if (!heads_.empty()) result_.head = report(heads_.back());
    return std::move(result_);
  }

 private:
  /// Notes which tensors of the head are carried over row by row, and that nothing else happens to them.
  void find_class_rows(const Head& head, const std::vector<int>& rows) {
    if (rows.size() != static_cast<std::size_t>(head.detect->nc())) return;
    const auto known = static_cast<std::int64_t>(options_.source_names.size());
    for (std::size_t i = 0; i < head.detect->channels().size(); ++i) {
      const std::string last = branch_name(head.name, i) + ".2";
      const bool fits = source_.has(last + ".weight", {known, head.detect->class_width(), 1, 1}) &&
                        source_.has(last + ".bias", {known});
      const bool any = std::ranges::any_of(rows, [](int row) { return row >= 0; });
      for (const char* part : {".weight", ".bias"}) by_row_[last + part] = fits && any ? rows : std::vector<int>{};
    }
  }

  bool take(const std::string& name, nn::Parameter& p, const HostTensor& tensor) {
    if (const auto found = by_row_.find(name); found != by_row_.end()) {
      if (!found->second.empty()) load_rows(p, tensor, found->second, stream_);
      return !found->second.empty();
    }
    if (name == kFirstConvolution && differs_in_planes(p, tensor)) {
      load_planes(p, tensor, stream_);
      return true;
    }
    return nn::load_if_equal(p, tensor, stream_);
  }

  ClassHead report(const Head& head) const {
    ClassHead report{.classes = head.detect->nc(), .carried = head.detect->nc()};
    if (const HostTensor* rows = class_rows(source_, branch_name(head.name, 0))) {
      report.source_classes = static_cast<int>(rows->shape[0]);
    }
    for (std::size_t i = 0; i < head.detect->channels().size(); ++i) {
      const std::string weight = branch_name(head.name, i) + ".2.weight";
      if (const auto found = by_row_.find(weight); found != by_row_.end()) {
        report.by_name = true;
        const auto carried = std::ranges::count_if(found->second, [](int row) { return row >= 0; });
        report.carried = std::min(report.carried, static_cast<int>(carried));
      } else if (std::ranges::find(result_.taken, weight) == result_.taken.end()) {
        report.carried = 0;
      }
    }
    return report;
  }

  nn::Module& network_;
  Source source_;
  const TransferOptions& options_;
  Stream& stream_;
  std::vector<Head> heads_;
  std::map<std::string, std::vector<int>> by_row_;  // source row of each row; empty: the tensor stays as it is
  Transfer result_;
};

std::string text_of(const ClassHead& head) {
  const std::string classes = head.source_classes == 0 || head.source_classes == head.classes
                                  ? fmt::format("{}", head.classes)
                                  : fmt::format("{} -> {}", head.source_classes, head.classes);
  if (head.carried == 0) return fmt::format("class head new ({})", classes);
  if (!head.by_name) return fmt::format("class head kept ({})", classes);
  return fmt::format("class head by name, {} of {} rows ({})", head.carried, head.classes, classes);
}

}  // namespace

std::string Transfer::text(const std::string& source) const {
  const std::string count = fmt::format("{} of {} tensors from {}", taken.size(), tensors, source);
  return head ? fmt::format("{}, {}", count, text_of(*head)) : count;
}

Transfer transfer(nn::Module& network, const NamedTensors& weights, const TransferOptions& options, Stream& stream) {
  return Transferring(network, weights, options, stream).run();
}

void fit_class_branches(nn::Module& network, const NamedTensors& weights) { fit(heads_of(network), Source(weights)); }

std::optional<int> class_width_of(const NamedTensors& weights, const std::string& name,
                                  const std::vector<int>& channels, bool legacy) {
  return find_class_width(Source(weights), name, channels, legacy);
}

bool are_placeholders(const std::vector<std::string>& names) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] != std::to_string(i)) return false;
  }
  return true;
}

}  // namespace boxcar
