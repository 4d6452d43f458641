#include "boxcar/kernels/norm_act/norm_act.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <span>

#include "boxcar/runtime/base/error.h"
#include "kernels/norm_act_reference.h"
#include "support/backends.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using test::append;
using test::NormActReference;
using test::random_values;
using test::rounded_to;
using test::run_on;
using test::slice_of;
using test::tensor_of;
using test::unwritten;

// A piece or destination: channels `of`, as a slice of a tensor of `width` channels from `first` on.
struct Place {
  Range of;
  int first, width;
};

struct Case {
  const char* name;
  Shape shape;
  DType dtype;
  ActKind act;
  bool batch_stats;
  bool residual;
  std::vector<Place> places;  // at most three: destinations; all: gradient pieces
  float mean = 0;             // of z
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

const std::vector<Case> kCases = {
    {"packed", {2, 5, 3, 8}, DType::kF32, ActKind::kSilu, true, false, {{{0, 8}, 0, 8}}},
    {"two_values", {2, 1, 1, 1}, DType::kF32, ActKind::kIdentity, true, false, {{{0, 1}, 0, 1}}},
    {"odd_slices", {2, 5, 3, 7}, DType::kF32, ActKind::kSilu, true, true, {{{0, 7}, 2, 11}, {{3, 4}, 0, 4}}},
    {"eights", {1, 9, 7, 24}, DType::kBF16, ActKind::kSilu, true, true, {{{0, 24}, 8, 40}, {{8, 16}, 0, 16}}},
    {"fours", {1, 9, 7, 12}, DType::kBF16, ActKind::kSilu, true, true, {{{0, 12}, 0, 12}, {{4, 8}, 4, 16}}},
    {"pairs", {1, 9, 7, 6}, DType::kBF16, ActKind::kRelu, true, false, {{{0, 6}, 0, 6}, {{2, 4}, 2, 8}}},
    {"ones", {3, 5, 7, 5}, DType::kBF16, ActKind::kSilu, true, true, {{{0, 5}, 1, 9}, {{1, 3}, 0, 3}}},
    {"three_pieces",
     {1, 8, 8, 16},
     DType::kF32,
     ActKind::kSilu,
     true,
     true,
     {{{0, 16}, 0, 16}, {{0, 8}, 8, 24}, {{8, 8}, 0, 8}}},
    {"four_pieces",
     {1, 8, 8, 16},
     DType::kBF16,
     ActKind::kSilu,
     true,
     false,
     {{{0, 16}, 0, 16}, {{0, 8}, 8, 24}, {{8, 8}, 0, 8}, {{4, 4}, 4, 12}}},
    {"no_gradient_in_half", {1, 4, 4, 16}, DType::kF32, ActKind::kSilu, true, false, {{{8, 8}, 0, 8}}},
    {"many_rows", {2, 70, 40, 3}, DType::kF32, ActKind::kSilu, true, false, {{{0, 3}, 0, 3}}},
    {"many_channels", {1, 6, 6, 200}, DType::kF32, ActKind::kHardswish, true, true, {{{0, 200}, 0, 200}}},
    {"far_from_zero", {1, 40, 40, 8}, DType::kF32, ActKind::kIdentity, true, false, {{{0, 8}, 0, 8}}, 1000.0f},
    {"fixed", {2, 5, 3, 8}, DType::kF32, ActKind::kSilu, false, true, {{{0, 8}, 0, 8}, {{4, 4}, 0, 4}}},
    {"fixed_bf16",
     {2, 5, 3, 9},
     DType::kBF16,
     ActKind::kGelu,
     false,
     false,
     {{{0, 9}, 0, 9}, {{0, 4}, 0, 4}, {{4, 5}, 0, 5}}},
};

std::vector<Place> destinations_of(const Case& c) {
  return {c.places.begin(), c.places.begin() + std::min<std::ptrdiff_t>(3, std::ssize(c.places))};
}

// Everything a case reads, rounded to its type.
struct Inputs {
  explicit Inputs(const Case& c)
      : z(rounded_to(c.dtype, random_values(c.shape.count(), 1))),
        residual(c.residual ? rounded_to(c.dtype, random_values(c.shape.count(), 2)) : std::vector<float>()),
        gamma(random_values(c.shape.c, 3)),
        beta(random_values(c.shape.c, 4)),
        running_mean(random_values(c.shape.c, 5)),
        running_var(random_values(c.shape.c, 6)) {
    for (float& v : z) v += c.mean;
    for (float& v : running_var) v = 0.5f + std::abs(v);
    unsigned seed = 10;
    for (const Place& p : c.places) {
      Shape shape = c.shape;
      shape.c = p.of.count;
      pieces.push_back(rounded_to(c.dtype, random_values(shape.count(), seed++)));
    }
  }
  std::vector<float> z, residual, gamma, beta, running_mean, running_var;
  std::vector<std::vector<float>> pieces;
};

NormActReference reference_of(const Case& c, const Inputs& in) {
  NormActReference r{c.shape.pixels(), c.shape.c, Act{c.act}, c.batch_stats};
  r.set_norm(in.z, in.gamma, in.beta, in.running_mean, in.running_var);
  return r;
}

Tensor vector_of(Stream& s, const std::vector<float>& values) {
  return tensor_of(s, {1, 1, 1, static_cast<int>(values.size())}, values);
}

// The parameters and buffers of one layer on a stream.
struct Layer {
  Layer(Stream& s, const Case& c, const Inputs& in)
      : gamma(vector_of(s, in.gamma)),
        beta(vector_of(s, in.beta)),
        mean(vector_of(s, in.running_mean)),
        var(vector_of(s, in.running_var)),
        saved(unwritten(s, {1, 1, 2, c.shape.c})),
        norm{gamma.as(), beta.as(), mean.as(), var.as(), 1e-3f, 0.03f, c.batch_stats} {}
  Tensor gamma, beta, mean, var, saved;
  Norm norm;
};

Tensor place_of(Stream& s, const Case& c, const Place& p, const std::vector<float>& values) {
  Shape shape = c.shape;
  shape.c = p.of.count;
  return slice_of(s, shape, values, c.dtype, p.first, p.width);
}

void expect_near(const char* what, std::span<const float> got, const std::vector<double>& want, double relative,
                 double absolute) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double most = relative * std::abs(want[i]) + absolute;
    ASSERT_TRUE(std::abs(got[i] - want[i]) <= most) << what << ": " << got[i] << " for " << want[i] << " at " << i;
  }
}

// With batch_stats: what conv_forward() does in a network.
void learn_statistics(Stream& s, const NormActForwardArgs& args) {
  if (args.norm.batch_stats) batch_statistics(s, {args.z, args.norm.statistics(args.saved_mean_rstd)});
}

class NormActTest : public ::testing::TestWithParam<std::tuple<Device, Case>> {
 protected:
  Device device() const { return std::get<0>(GetParam()); }
  const Case& test_case() const { return std::get<1>(GetParam()); }
  // Half a unit in the last place of what is stored, twice where a pass stores a sum of pieces first.
  double rounding() const { return test_case().dtype == DType::kBF16 ? 0x1p-7 : 2e-5; }
};

TEST_P(NormActTest, ForwardMatchesTheFormulasInDouble) {
  const Case& c = test_case();
  const Inputs in(c);
  const std::vector<float> got = run_on(device(), [&](Stream& s) {
    const Layer layer(s, c, in);
    const Tensor z = tensor_of(s, c.shape, in.z, c.dtype);
    NormActForwardArgs args;
    args.z = z;
    args.norm = layer.norm;
    args.act = {c.act};
    Tensor residual;
    if (c.residual) {
      residual = slice_of(s, c.shape, in.residual, c.dtype, 8, c.shape.c + 16);
      args.residual = residual.view();
    }
    std::vector<Tensor> to;
    for (const Place& p : destinations_of(c)) {
      to.push_back(place_of(s, c, p, std::vector<float>(static_cast<std::size_t>(c.shape.pixels() * p.of.count))));
      args.to.push_back({p.of, to.back()});
    }
    args.saved_mean_rstd = layer.saved.as();
    learn_statistics(s, args);
    norm_act_forward(s, args);
    std::vector<float> all = layer.saved.to_host(s);
    append(all, layer.mean.to_host(s));
    append(all, layer.var.to_host(s));
    for (const Tensor& t : to) append(all, t.to_host(s));
    return all;
  });
  const NormActReference want = reference_of(c, in);
  std::span<const float> rest(got);
  const auto next = [&](std::size_t count) {
    const auto part = rest.first(count);
    rest = rest.subspan(count);
    return part;
  };
  const auto channels = static_cast<std::size_t>(c.shape.c);
  expect_near("mean", next(channels), want.mean(), 2e-6, 2e-6);
  expect_near("rstd", next(channels), want.rstd(), 1e-5, 0);
  expect_near("running mean", next(channels), want.running_mean(), 2e-6, 2e-6);
  expect_near("running var", next(channels), want.running_var(), 1e-5, 0);
  const std::vector<double> y = want.forward(in.residual);
  for (const Place& p : destinations_of(c)) {
    const auto part = want.channels(y, p.of);
    expect_near("y", next(part.size()), part, rounding(), c.mean != 0 ? 4e-4 : 2e-5);
  }
}

TEST_P(NormActTest, BackwardMatchesTheFormulasInDouble) {
  const Case& c = test_case();
  const Inputs in(c);
  const NormActReference want = reference_of(c, in);
  std::vector<float> saved;
  for (const double v : want.mean()) saved.push_back(static_cast<float>(v));
  for (const double v : want.rstd()) saved.push_back(static_cast<float>(v));
  const std::vector<float> got = run_on(device(), [&](Stream& s) {
    const Layer layer(s, c, in);
    const Tensor z = tensor_of(s, c.shape, in.z, c.dtype), mean_rstd = vector_of(s, saved);
    const Tensor dz = unwritten(s, c.shape, c.dtype), unwanted = unwritten(s, c.shape, c.dtype);
    const Tensor dgamma = unwritten(s, {1, 1, 1, c.shape.c}), dbeta = Tensor::zeros(s, {1, 1, 1, c.shape.c});
    std::vector<Tensor> from;
    NormActBackwardArgs args;
    args.z = z;
    args.norm = layer.norm;
    args.saved_mean_rstd = mean_rstd.as();
    args.act = {c.act};
    args.dz = dz;
    for (std::size_t i = 0; i < c.places.size(); ++i) {
      from.push_back(place_of(s, c, c.places[i], in.pieces[i]));
      args.from.push_back({c.places[i].of, from.back()});
    }
    args.dgamma = dgamma.as();
    norm_act_backward(s, args);  // dgamma alone
    args.dgamma = nullptr;
    args.dbeta = dbeta.as();
    args.mode = GradMode::kAdd;
    norm_act_backward(s, args);
    norm_act_backward(s, args);  // dbeta twice
    args.dbeta = nullptr;
    args.dz = unwanted;
    norm_act_backward(s, args);  // neither
    std::vector<float> all = dgamma.to_host(s);
    append(all, dbeta.to_host(s));
    append(all, dz.to_host(s));
    append(all, unwanted.to_host(s));
    return all;
  });
  std::vector<double> dy(in.z.size(), 0.0);
  for (std::size_t i = 0; i < c.places.size(); ++i) want.add_channels(dy, c.places[i].of, in.pieces[i]);
  auto [dz, dgamma, dbeta] = want.backward(dy);
  for (double& v : dbeta) v *= 2;
  const auto channels = static_cast<std::size_t>(c.shape.c);
  const double pixels = static_cast<double>(c.shape.pixels());
  // A sum's error grows with the terms' size, not with the sum's; 0.01: bf16 pieces added and rounded.
  const double sum_error = (c.dtype == DType::kBF16 && c.places.size() > 2 ? 0.01 : 1e-5) * std::sqrt(pixels) * 4;
  const double dz_error = c.dtype == DType::kBF16 ? 0.03 : (c.mean != 0 ? 2e-3 : 4e-5);
  const std::span<const float> all(got);
  expect_near("dgamma", all.first(channels), dgamma, 2e-5, sum_error * (c.mean != 0 ? 30 : 1));
  expect_near("dbeta", all.subspan(channels, channels), dbeta, 2e-5, sum_error);
  expect_near("dz", all.subspan(2 * channels, dz.size()), dz, rounding(), dz_error);
  expect_near("dz alone", all.subspan(2 * channels + dz.size()), dz, rounding(), dz_error);
}

TEST_P(NormActTest, SumOfPieces) {
  const Case& c = test_case();
  const Inputs in(c);
  const std::vector<float> got = run_on(device(), [&](Stream& s) {
    const Tensor to = unwritten(s, c.shape, c.dtype);
    SumPiecesArgs args;
    args.to = to;
    std::vector<Tensor> from;
    for (std::size_t i = 0; i < c.places.size(); ++i) {
      from.push_back(place_of(s, c, c.places[i], in.pieces[i]));
      args.from.push_back({c.places[i].of, from.back()});
    }
    sum_pieces(s, args);
    return to.to_host(s);
  });
  std::vector<double> want(in.z.size(), 0.0);
  const NormActReference reference = reference_of(c, in);
  for (std::size_t i = 0; i < c.places.size(); ++i) reference.add_channels(want, c.places[i].of, in.pieces[i]);
  expect_near("sum", got, want, c.dtype == DType::kBF16 ? 0x1p-8 : 1e-6, 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Cases, NormActTest,
                         ::testing::Combine(::testing::ValuesIn(test::devices()), ::testing::ValuesIn(kCases)),
                         [](const auto& each) {
                           const bool cuda = std::get<0>(each.param).is_cuda();
                           return std::string(cuda ? "cuda_" : "cpu_") + std::get<1>(each.param).name;
                         });

class NormActChecks : public test::BackendTest {};

TEST_P(NormActChecks, NanStaysInItsChannel) {
  std::vector<float> z = random_values(40 * 4, 1);
  z[4 * 7 + 2] = std::numeric_limits<float>::quiet_NaN();
  const Tensor in = tensor_of(stream(), {1, 1, 40, 4}, z), out = unwritten(stream(), {1, 1, 40, 4});
  const Tensor ones = tensor_of(stream(), {1, 1, 1, 4}, {1, 1, 1, 1}), saved = unwritten(stream(), {1, 1, 2, 4});
  NormActForwardArgs args;
  args.z = in;
  args.norm.gamma = args.norm.beta = ones.as();
  args.to = {{{0, 4}, out}};
  args.saved_mean_rstd = saved.as();
  learn_statistics(stream(), args);
  norm_act_forward(stream(), args);
  const auto y = out.to_host(stream());
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_EQ(std::isnan(y[i]), i % 4 == 2) << i;
  const auto statistics = saved.to_host(stream());
  EXPECT_TRUE(std::isnan(statistics[2]) && std::isnan(statistics[6]));
}

TEST_P(NormActChecks, AConstantChannelHasVarianceZero) {
  const std::vector<float> z(3000, 0.1f);
  const Tensor in = tensor_of(stream(), {1, 10, 100, 3}, z), saved = unwritten(stream(), {1, 1, 2, 3});
  batch_statistics(stream(), {in, {saved.as()}});
  const auto statistics = saved.to_host(stream());
  EXPECT_NEAR(statistics[0], 0.1f, 1e-7);
  EXPECT_NEAR(statistics[3], 1 / std::sqrt(1e-3), 1e-4);
}

TEST_P(NormActChecks, RefusesWhatDoesNotFit) {
  const Tensor z = unwritten(stream(), {1, 2, 2, 4}), one = unwritten(stream(), {1, 1, 1, 4});
  const Tensor wide = unwritten(stream(), {1, 2, 2, 8}), narrow = unwritten(stream(), {1, 2, 2, 4}, DType::kBF16);
  const auto forward = [&](const Tensor& in, std::optional<TensorView> residual, Destinations to) {
    NormActForwardArgs args;
    args.z = in;
    args.residual = residual;
    args.to = to;
    norm_act_forward(stream(), args);
  };
  EXPECT_THROW(forward(wide.channels(0, 4), {}, {}), ShapeError);
  EXPECT_THROW(batch_statistics(stream(), {one, {}}), ShapeError);
  EXPECT_THROW(batch_statistics(stream(), {wide.channels(0, 4), {}}), ShapeError);
  EXPECT_THROW(forward(z, wide.view(), {}), ShapeError);
  EXPECT_THROW(forward(z, narrow.view(), {}), ShapeError);
  EXPECT_THROW(forward(z, {}, {{{1, 4}, z}}), ShapeError);
  EXPECT_THROW(forward(z, {}, {{{0, 3}, z}}), ShapeError);
  EXPECT_THROW(forward(z, {}, {{{0, 4}, narrow}}), ShapeError);
  EXPECT_THROW(sum_pieces(stream(), {{{{0, 8}, wide}}, z}), ShapeError);
}

INSTANTIATE_ON_BACKENDS(NormActChecks);

}  // namespace
}  // namespace boxcar::kernels
