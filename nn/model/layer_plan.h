// Which rows of a model file are run, what each reads, and where its result is written, so that a concat costs nothing.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "boxcar/nn/model/model_spec.h"

namespace boxcar {

struct LayerPlan {
  /// A row's result is also part of a later Concat, from this channel on.
  struct Hint {
    std::size_t concat;
    int first;
  };
  struct Row {
    bool spared = false;           // not run: a join takes its place
    std::vector<int> from{};       // rows it reads; -1 is the input image
    std::vector<Hint> hints{};     // where its result is to lie
    bool read_packed = false;      // besides, it is wanted on its own
    std::vector<int> last_read{};  // rows whose results nobody reads after this one
  };
  std::vector<Row> rows;  // one for each of the description
};

/// An Upsample of which only a Concat of two reads, of which only one row reads, which takes the two maps as they are.
struct Join {
  int upsample, concat, reader;
};
/// Whether a row's layer takes two maps of so many channels (nn::Layer::takes_parts()).
using TakesParts = std::function<bool(int row, std::span<const int> channels)>;
std::vector<Join> find_joins(const ModelSpec& spec, const TakesParts& takes_parts);

/// Rows as the file has them, but those that `joins` spare: their readers read what these would.
LayerPlan plan_layers(const ModelSpec& spec, const std::vector<Join>& joins);

}  // namespace boxcar
