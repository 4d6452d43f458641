// Rules of the blocks that are made of several convolutions.
#include <fmt/core.h>

#include "boxcar/nn/model/module_rules.h"

namespace boxcar::model {
namespace {

constexpr double kMaxExpansion = 16;
constexpr int kMaxPool = 255;

/// Channels inside a block; refuses an expansion that leaves none.
int hidden(const Arguments& args, int c, double e) {
  const int inside = hidden_channels(c, e);
  if (inside < 1) args.refuse(fmt::format("has no channels left inside ({} * {}); use a larger expansion", c, e));
  return inside;
}

/// Checks the attention of `c` channels: its heads must share them out evenly.
void check_attention(const Arguments& args, int c) {
  const int heads = attention_heads(c);
  if (c % heads != 0 || c / heads < 2) {
    args.refuse(
        fmt::format("has an attention of {} channels for {} heads; choose channels that the heads divide, at least 2 "
                    "for each",
                    c, heads));
  }
}

/// The pooling of SPP and SPPF keeps its map only for odd kernels.
void check_odd(const Arguments& args, int kernel) {
  if (kernel % 2 == 0)
    args.refuse(fmt::format("has a pooling kernel of {}, but it must be odd to keep the map's size", kernel));
}

int pooled_channels(const Row& row, const Arguments& args) {
  if (row.c1() < 2)
    args.refuse("has 1 input channel, but halves its channels and needs 2; give the layer before it more");
  return row.c1() / 2;
}

void check_same_channels(const Row& row, const Arguments& args, int c2) {
  if (row.c1() == c2) return;
  args.refuse(fmt::format("has {} input and {} output channels, which must be equal; give both layers the same number",
                          row.c1(), c2));
}

}  // namespace

Built build_bottleneck(const Row& row, const Arguments& args) {
  BottleneckSpec block{.c1 = row.c1(), .c2 = output_channels(row, args)};
  block.shortcut = args.truth(1, true);
  block.groups = args.integer(2, 1, 1, kMaxChannels);
  const auto kernels = args.integers(3, {3, 3}, 2, 2, 1, kMaxPool);
  block.kernels = {kernels[0], kernels[1]};
  block.e = args.positive(4, 0.5, kMaxExpansion);
  if (kernels[0] % 2 == 0 || kernels[1] % 2 == 0) args.refuse(3, "two odd numbers, which keep the map's size");
  check_groups(args, block.groups, hidden(args, block.c2, block.e), block.c2);
  return {block, block.c2};
}

Built build_c2f(const Row& row, const Arguments& args) {
  C2fSpec block{.c1 = row.c1(), .c2 = output_channels(row, args), .n = row.repeats};
  block.shortcut = args.truth(1, false);
  block.groups = args.integer(2, 1, 1, kMaxChannels);
  block.e = args.positive(3, 0.5, kMaxExpansion);
  const int inside = hidden(args, block.c2, block.e);
  check_groups(args, block.groups, inside, inside);
  return {block, block.c2, true};
}

Built build_c3(const Row& row, const Arguments& args) {
  C3Spec block{.c1 = row.c1(), .c2 = output_channels(row, args), .n = row.repeats};
  block.shortcut = args.truth(1, true);
  block.groups = args.integer(2, 1, 1, kMaxChannels);
  block.e = args.positive(3, 0.5, kMaxExpansion);
  const int inside = hidden(args, block.c2, block.e);
  check_groups(args, block.groups, inside, inside);
  return {block, block.c2, true};
}

Built build_c3k2(const Row& row, const Arguments& args) {
  const std::string& scale = row.model.scale;
  C3k2Spec block{.c1 = row.c1(), .c2 = output_channels(row, args), .n = row.repeats};
  block.c3k = args.truth(1, false) || scale == "m" || scale == "l" || scale == "x";
  block.e = args.positive(2, 0.5, kMaxExpansion);
  block.attn = args.truth(3, false);
  block.groups = args.integer(4, 1, 1, kMaxChannels);
  block.shortcut = args.truth(5, true);
  const int inside = hidden(args, block.c2, block.e);
  const int innermost = hidden(args, inside, 0.5);
  // C3k groups a convolution of innermost channels to as many, a Bottleneck one to the block's inner channels.
  check_groups(args, block.groups, innermost, block.c3k && !block.attn ? innermost : inside);
  if (block.attn) check_attention(args, inside);
  return {block, block.c2, true};
}

Built build_spp(const Row& row, const Arguments& args) {
  SppSpec block{.c1 = row.c1(), .c2 = output_channels(row, args)};
  pooled_channels(row, args);
  block.kernels = args.integers(1, {5, 9, 13}, 1, 16, 1, kMaxPool);
  for (const int kernel : block.kernels) check_odd(args, kernel);
  return {block, block.c2};
}

Built build_sppf(const Row& row, const Arguments& args) {
  SppfSpec block{.c1 = row.c1(), .c2 = output_channels(row, args)};
  pooled_channels(row, args);
  block.kernel = args.integer(1, 5, 1, kMaxPool);
  block.n = args.integer(2, 3, 1, kMaxRepeats);
  block.shortcut = args.truth(3, false);
  check_odd(args, block.kernel);
  if (args.size() <= 2) block.cv1_act = row.model.activation;  // the longer rows are of a newer form without one
  return {block, block.c2};
}

Built build_c2psa(const Row& row, const Arguments& args) {
  const int c2 = output_channels(row, args);
  check_same_channels(row, args, c2);
  const C2psaSpec block{.c = c2, .n = row.repeats, .e = args.positive(1, 0.5, kMaxExpansion)};
  check_attention(args, hidden(args, c2, block.e));
  return {block, c2, true};
}

Built build_psa(const Row& row, const Arguments& args) {
  const int c2 = output_channels(row, args);
  check_same_channels(row, args, c2);
  const PsaSpec block{.c = c2, .e = args.positive(1, 0.5, kMaxExpansion)};
  check_attention(args, hidden(args, c2, block.e));
  return {block, c2};
}

}  // namespace boxcar::model
