#include "boxcar/nn/model/layer_plan.h"

#include <algorithm>

namespace boxcar {
namespace {

template <class Spec>
bool is(const LayerSpec& row) {
  return std::holds_alternative<Spec>(row.spec);
}

std::size_t at(int row) { return static_cast<std::size_t>(row); }

std::vector<std::vector<int>> readers_of_rows(const ModelSpec& spec) {
  std::vector<std::vector<int>> readers(spec.layers.size());
  for (const LayerSpec& row : spec.layers) {
    for (const int from : row.from) {
      if (from >= 0) readers[at(from)].push_back(row.index);
    }
  }
  return readers;
}

// The reader reads what the concat would, and what the enlargement would.
void spare(LayerPlan& plan, const ModelSpec& spec, const Join& join) {
  plan.rows[at(join.upsample)] = {.spared = true};
  plan.rows[at(join.concat)] = {.spared = true};
  std::vector<int>& from = plan.rows[at(join.reader)].from;
  from = spec.layers[at(join.concat)].from;
  std::replace(from.begin(), from.end(), join.upsample, spec.layers[at(join.upsample)].from[0]);
}

void plan_places(LayerPlan& plan, const ModelSpec& spec) {
  for (const LayerSpec& layer : spec.layers) {
    const LayerPlan::Row& row = plan.rows[at(layer.index)];
    const bool reads_slices = is<ConcatSpec>(layer) || is<UpsampleSpec>(layer) || is<MaxPoolSpec>(layer) ||
                              row.from.size() > layer.from.size();
    int first = 0;
    for (const int from : row.from) {
      if (from < 0) continue;
      LayerPlan::Row& producer = plan.rows[at(from)];
      if (!reads_slices) producer.read_packed = true;
      // Two places are left beside a packed one; a concat that finds no hint copies.
      if (is<ConcatSpec>(layer) && producer.hints.size() < 2) producer.hints.push_back({at(layer.index), first});
      first += spec.layers[at(from)].out_channels;
    }
  }
}

// A result is dropped after its last reader, so that evaluation keeps no more than it needs.
void plan_lifetimes(LayerPlan& plan) {
  std::vector<int> last(plan.rows.size(), -1);
  for (std::size_t i = 0; i < plan.rows.size(); ++i) {
    for (const int from : plan.rows[i].from) {
      if (from >= 0) last[at(from)] = static_cast<int>(i);
    }
  }
  for (std::size_t i = 0; i < last.size(); ++i) {
    if (last[i] >= 0) plan.rows[at(last[i])].last_read.push_back(static_cast<int>(i));
  }
}

}  // namespace

std::vector<Join> find_joins(const ModelSpec& spec, const TakesParts& takes_parts) {
  const std::vector<std::vector<int>> readers = readers_of_rows(spec);
  const auto only_reader = [&](int row) { return readers[at(row)].size() == 1 ? readers[at(row)][0] : -1; };
  std::vector<Join> joins;
  for (const LayerSpec& concat : spec.layers) {
    if (!is<ConcatSpec>(concat) || concat.from.size() != 2) continue;
    const int reader = only_reader(concat.index);
    if (reader < 0 || spec.layers[at(reader)].from.size() != 1 || !takes_parts(reader, concat.in_channels)) continue;
    const auto enlarged = [&](int row) {
      return row >= 0 && is<UpsampleSpec>(spec.layers[at(row)]) && spec.layers[at(row)].from[0] >= 0 &&
             only_reader(row) == concat.index;
    };
    const int first = concat.from[0], second = concat.from[1];
    if (first < 0 || second < 0 || enlarged(first) == enlarged(second)) continue;
    joins.push_back({enlarged(first) ? first : second, concat.index, reader});
  }
  return joins;
}

LayerPlan plan_layers(const ModelSpec& spec, const std::vector<Join>& joins) {
  LayerPlan plan;
  for (const LayerSpec& row : spec.layers) plan.rows.push_back({.from = row.from});
  for (const Join& join : joins) spare(plan, spec, join);
  plan_places(plan, spec);
  plan_lifetimes(plan);
  return plan;
}

}  // namespace boxcar
