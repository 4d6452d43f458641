#include "boxcar/kernels/optim/muon.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "boxcar/runtime/base/error.h"
#include "kernels/optim_support.h"
#include "support/backends.h"
#include "support/golden.h"
#include "support/tensors.h"

namespace boxcar::kernels {
namespace {

using test::flat;
using test::noise;
using test::OnDevice;
using test::run_on;
using test::two_groups;

double relative_l2(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
    norm += double{b[i]} * b[i];
  }
  return std::sqrt(difference / norm);
}

class MuonTest : public test::BackendTest {
 protected:
  std::vector<float> orthogonalised(const std::vector<float>& in, std::int64_t rows, std::int64_t columns) {
    return run_on(device(), [&](Stream& s) {
      const Tensor m = flat(s, in), out = test::unwritten(s, m.shape());
      newton_schulz(s, {rows, columns, m.as(), out.as()});
      return out.to_host(s);
    });
  }
};

TEST_P(MuonTest, AZeroMatrixStaysZeroAndANumberGoesNearOne) {
  EXPECT_EQ(orthogonalised({0, 0, 0, 0, 0, 0}, 2, 3), std::vector<float>(6, 0.0f));
  EXPECT_NEAR(orthogonalised({-0.01f}, 1, 1)[0], -1.0, 0.35);  // the iteration lands in about 0.7 .. 1.2
  EXPECT_THROW(newton_schulz(stream(), {0, 3, nullptr, nullptr}), ShapeError);
}

TEST_P(MuonTest, TranspositionAndColumnOrderDoNotMatter) {
  const int rows = 7, columns = 12;
  const auto m = noise(rows * columns, 9);
  std::vector<float> transposed(m.size()), reversed(m.size());
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < columns; ++c) {
      transposed[c * rows + r] = m[r * columns + c];
      reversed[r * columns + columns - 1 - c] = m[r * columns + c];
    }
  }
  const auto a = orthogonalised(m, rows, columns), b = orthogonalised(transposed, columns, rows);
  const auto d = orthogonalised(reversed, rows, columns);
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < columns; ++c) {
      EXPECT_NEAR(a[r * columns + c], b[c * rows + r], 1e-5);
      EXPECT_NEAR(a[r * columns + c], d[r * columns + columns - 1 - c], 1e-5);
    }
  }
}

TEST_P(MuonTest, GoldenMatrices) {
  BOXCAR_NEED_SHARED();
  const auto t = test::read_golden(test::shared("golden/loss/optim.safetensors"));
  const auto shapes = test::read_json(test::shared("golden/loss/optim.json"))["newton_schulz_shapes"];
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const std::string name = "newton_schulz/" + std::to_string(i);
    const auto out = orthogonalised(t.at(name + "/in").floats(), shapes[i][0], shapes[i][1]);
    EXPECT_TRUE(relative_l2(out, t.at(name + "/out_exact").floats()) <= 1e-5) << name;
    EXPECT_TRUE(relative_l2(out, t.at(name + "/out_bf16").floats()) <= 3e-2) << name;
  }
}

TEST(Muon, MatrixShapes) {
  EXPECT_EQ(muon_convolution({8, 3, 1, 4}, false).rows, 8);
  EXPECT_EQ(muon_convolution({8, 3, 1, 4}, false).columns, 12);
  EXPECT_FLOAT_EQ(muon_convolution({8, 3, 1, 4}, false).scale, std::sqrt(3.0f));
  EXPECT_EQ(muon_convolution({1, 3, 3, 16}, true).rows, 9);
  EXPECT_EQ(muon_convolution({1, 3, 3, 16}, true).columns, 16);
  EXPECT_EQ(muon_convolution({1, 3, 5, 16}, true).scale, 1.0f);
  EXPECT_FLOAT_EQ(muon_linear(12, 5).scale, std::sqrt(2.4f));
}

struct MuonRun {
  MuonRun() {
    for (const auto& [rows, columns] : {std::pair{64, 72}, {3, 200}, {66, 9}, {1, 1}, {66, 65}}) {
      ranges.push_back({count, {rows, columns, 1.5f}, static_cast<int>(ranges.size() % 2)});
      count += rows * columns;
    }
  }
  // u, b and p after one step; or as they were, where the step is skipped.
  std::vector<float> on(Stream& s, bool skipped = false) const {
    const Tensor p = flat(s, noise(count, 1)), u = flat(s, noise(count, 3)), b = flat(s, noise(count, 4));
    auto gradients = noise(count, 2);
    if (skipped) gradients[5] = std::nanf("");
    const Tensor g = flat(s, gradients);
    StepCoefficients c = two_groups(OptimKind::kSgd);
    c.skip_not_finite = 1;
    const OnDevice<StepCoefficients> coefficients(s);
    const OnDevice<GradientNorm> norm(s);
    set_coefficients(s, {c, coefficients.get()});
    const std::vector<FlatRange> all_elements{{0, count}};
    gradient_norm(s, {FlatBlocks(s, all_elements), g.as(), coefficients.get(), norm.get()});
    muon_step(s, {MuonPlan(s, ranges), coefficients.get(), p.as(), g.as(), u.as(), b.as(), norm.get()});
    std::vector<float> all = u.to_host(s);
    test::append(all, b.to_host(s));
    test::append(all, p.to_host(s));
    return all;
  }
  std::vector<MuonRange> ranges;
  std::int64_t count = 0;
};

// The iteration multiplies an error by at most 3.4445 at each of five steps (its slope at 0), and starts with sums of
// up to 130 products: 490 * 130 * 2^-24 of a direction of about 1, of which p gets 0.2 * 0.02 * 1.5.
TEST_P(MuonTest, AStepEqualsTheCpus) {
  const MuonRun run;
  Stream cpu;
  const auto want = run.on(cpu), got = run_on(device(), [&](Stream&s) { return run.on(s); });
  EXPECT_TRUE(test::max_difference(got, want) <= 490 * 130 * 0x1p-24 * 0.2 * 0.02 * 1.5 + 4 * 0x1p-24)
      << test::max_difference(got, want);
}

TEST_P(MuonTest, ASkippedStepChangesNothing) {
  const MuonRun run;
  std::vector<float> want = noise(run.count, 3);
  test::append(want, noise(run.count, 4));
  test::append(want, noise(run.count, 1));
  EXPECT_EQ(run.on(stream(), true), want);
}

TEST_P(MuonTest, RefusesWhatIsMissing) {
  const MuonPlan plan(stream(), MuonRun().ranges);
  EXPECT_THROW(muon_step(stream(), {plan}), ArgumentError);
  EXPECT_THROW(MuonPlan(stream(), {{0, {0, 3, 1.0f}, 0}}), ShapeError);
  EXPECT_THROW(MuonPlan(stream(), {{0, {2, 3, 1.0f}, -1}}), ArgumentError);
}

INSTANTIATE_ON_BACKENDS(MuonTest);

}  // namespace
}  // namespace boxcar::kernels
