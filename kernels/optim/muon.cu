#include "boxcar/kernels/common/block_sums.h"
#include "boxcar/kernels/optim/muon.h"
#include "boxcar/kernels/optim/muon_math.h"
#include "boxcar/kernels/optim/optim_rules.h"

namespace boxcar::kernels::cuda {
namespace {

constexpr unsigned kThreads = 256;
constexpr int kDepth = 16;             // of the sum that a block holds in shared memory at a time
constexpr int kSide = kMuonTile / 16;  // a thread computes kSide x kSide entries
static_assert(kThreads == 16 * 16 && kMuonTile * kDepth % kThreads == 0);

struct MuonWork {
  const MuonTask* tasks;
  const MuonPlace* places;
  BOXCAR_DEVICE MuonTask task() const { return tasks[places[blockIdx.x].task]; }
};

BOXCAR_DEVICE int long_side(const MuonTask& t) { return t.rows > t.columns ? t.rows : t.columns; }
BOXCAR_DEVICE int short_side(const MuonTask& t) { return t.rows > t.columns ? t.columns : t.rows; }

// Where an element of the matrix, as it lies in memory, is in the tall form.
BOXCAR_DEVICE std::int64_t tall_index(const MuonTask& t, int i) {
  if (t.rows >= t.columns) return i;
  return static_cast<std::int64_t>(i % t.columns) * t.rows + i / t.columns;
}

// Calls f(i) for the calling thread's elements of the block's chunk.
template <class F>
BOXCAR_DEVICE void for_chunk_elements(const MuonTask& task, int chunk, F&& f) {
  const int count = task.rows * task.columns, begin = chunk * kMuonChunk;
  const int end = begin + kMuonChunk < count ? begin + kMuonChunk : count;
  for (int i = begin + static_cast<int>(threadIdx.x); i < end; i += kThreads) f(i);
}

// What is orthogonalised: a matrix as it is.
struct GivenMatrix {
  const float* in;
  BOXCAR_DEVICE float operator()(const MuonTask& t, int i) const { return in[t.offset + i]; }
};

struct StepPointers {
  const StepCoefficients* coefficients;
  float* values;
  const float* grads;
  float *momentum, *sgd_momentum;
  const GradientNorm* norm;

  BOXCAR_DEVICE float gradient(std::int64_t at) const { return grads[at] * (norm ? norm->factor : 1.0f); }
};

// ... or the averaged gradient, which is updated on the way. A skipped step leaves it.
struct Direction {
  StepPointers step;
  BOXCAR_DEVICE float operator()(const MuonTask& t, int i) const {
    const std::int64_t at = t.offset + i;
    float u = step.momentum[at];
    const float d = muon_direction(step.coefficients->groups[t.group], step.gradient(at), u);
    if (!is_skipped(*step.coefficients, step.norm)) step.momentum[at] = u;
    return d;
  }
};

// A block owns a chunk of a matrix: brings it into the tall form and sums its squares in double.
template <class Source>
__global__ void __launch_bounds__(kThreads) muon_load_kernel(MuonWork work, Source source, float* x, double* sums) {
  const MuonTask task = work.task();
  const int chunk = work.places[blockIdx.x].row;
  double sum = 0.0;
  for_chunk_elements(task, chunk, [&](int i) {
    const float v = source(task, i);
    x[task.x + tall_index(task, i)] = v;
    sum += double{v} * double{v};
  });
  sum = block_sum<kThreads>(sum);
  if (threadIdx.x == 0) sums[task.first_chunk + chunk] = sum;
}

// A block owns a chunk of a tall matrix: divides it by the matrix's norm.
__global__ void __launch_bounds__(kThreads) muon_normalise_kernel(MuonWork work, float* x, const double* sums) {
  BOXCAR_SHARED(float, inverse, [1]);
  const MuonTask task = work.task();
  const double sum = block_sum_of<kThreads>(sums + task.first_chunk, task.chunks);
  if (threadIdx.x == 0) inverse[0] = static_cast<float>(1.0 / (sqrt(sum) + kNewtonSchulzEps));
  __syncthreads();
  for_chunk_elements(task, work.places[blockIdx.x].row, [&](int i) { x[task.x + i] *= inverse[0]; });
}

// One product of every task: out = scale * A B + add * addend, all [short][short] or [long][short].
struct Product {
  const float *a, *b, *addend;
  float* out;
  float scale, add;
};

// Rows and columns at and beyond the sizes are 0. Sums run over k in ascending order.
template <bool kTransposed>
BOXCAR_DEVICE float left_entry(const float* a, int row, int k, int rows, int depth, int ld) {
  if (row >= rows || k >= depth) return 0.0f;
  return kTransposed ? a[static_cast<std::int64_t>(k) * ld + row] : a[static_cast<std::int64_t>(row) * ld + k];
}

// A block owns a tile of kMuonTile x kMuonTile entries of one task's product, a thread kSide x kSide of them. kSquare:
// out = A^T B of tall A, B (Q = X^T X, or Q Q, Q being symmetric to the bit); else out = A B with a square B.
template <bool kSquare>
__global__ void __launch_bounds__(kThreads) muon_product_kernel(MuonWork work, Product product, bool of_square) {
  BOXCAR_SHARED(float, left, [kDepth][kMuonTile + 4]);  // + 4: columns of a transposed store lie in different banks
  BOXCAR_SHARED(float, right, [kDepth][kMuonTile]);
  const MuonTask task = work.task();
  const MuonPlace place = work.places[blockIdx.x];
  const int columns = short_side(task), rows = kSquare ? columns : long_side(task);
  const int depth = kSquare && !of_square ? long_side(task) : columns;
  const float* a = product.a + (of_square ? task.q : task.x);
  const float* b = product.b + (kSquare && !of_square ? task.x : task.q);
  const int row0 = place.row * kMuonTile, column0 = place.column * kMuonTile, thread = static_cast<int>(threadIdx.x);
  const int my_row = thread / 16 * kSide, my_column = thread % 16 * kSide;
  float sums[kSide][kSide] = {};
  for (int k0 = 0; k0 < depth; k0 += kDepth) {
#pragma unroll
    for (int i = thread; i < kDepth * kMuonTile; i += kThreads) {
      // Neighbouring threads read neighbouring addresses of either operand.
      const int k = kSquare ? i / kMuonTile : i % kDepth, r = kSquare ? i % kMuonTile : i / kDepth;
      left[k][r] = left_entry<kSquare>(a, row0 + r, k0 + k, rows, depth, columns);
      right[i / kMuonTile][i % kMuonTile] =
          left_entry<true>(b, column0 + i % kMuonTile, k0 + i / kMuonTile, columns, depth, columns);
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < kDepth; ++k) {
#pragma unroll
      for (int r = 0; r < kSide; ++r) {
#pragma unroll
        for (int c = 0; c < kSide; ++c) sums[r][c] += left[k][my_row + r] * right[k][my_column + c];
      }
    }
    __syncthreads();
  }
  const std::int64_t first = kSquare ? task.q : task.x;
#pragma unroll
  for (int r = 0; r < kSide; ++r) {
#pragma unroll
    for (int c = 0; c < kSide; ++c) {
      const int row = row0 + my_row + r, column = column0 + my_column + c;
      if (row >= rows || column >= columns) continue;
      const std::int64_t at = first + static_cast<std::int64_t>(row) * columns + column;
      product.out[at] = product.scale * sums[r][c] + (product.addend ? product.add * product.addend[at] : 0.0f);
    }
  }
}

// A block owns a chunk of a matrix, a thread every 256th element of it.
__global__ void __launch_bounds__(kThreads) muon_apply_kernel(MuonWork work, StepPointers step, const float* x) {
  if (is_skipped(*step.coefficients, step.norm)) return;
  const MuonTask task = work.task();
  const UpdateCoefficients c = step.coefficients->groups[task.group];
  for_chunk_elements(task, work.places[blockIdx.x].row, [&](int i) {
    const std::int64_t at = task.offset + i;
    const float direction = x[task.x + tall_index(task, i)];
    muon_apply(c, task.scale, direction, step.gradient(at), step.values[at], step.sgd_momentum[at]);
  });
}

// As above.
__global__ void __launch_bounds__(kThreads) muon_store_kernel(MuonWork work, const float* x, float* out) {
  const MuonTask task = work.task();
  for_chunk_elements(task, work.places[blockIdx.x].row,
                     [&](int i) { out[task.offset + i] = x[task.x + tall_index(task, i)]; });
}

Grid grid_of(const MuonPlan::Table<MuonPlace>& places) { return grid_for(places.count * kThreads, kThreads); }
MuonWork work_of(const MuonPlan& plan, const MuonPlan::Table<MuonPlace>& places) {
  return {plan.tasks().data(), places.data()};
}

// Normalises plan.x(0) and iterates; returns which copy of x holds the result.
int orthogonalise(Stream& stream, const MuonPlan& plan) {
  const auto& chunks = plan.chunks();
  const auto &square = plan.square_tiles(), &tall = plan.tall_tiles();
  float *q = plan.q(0), *polynomial = plan.q(1);
  launch("muon_normalise", muon_normalise_kernel, grid_of(chunks), stream, work_of(plan, chunks), plan.x(0),
         plan.sums());
  for (int step = 0; step < kNewtonSchulzSteps; ++step) {
    const float* x = plan.x(step % 2);
    launch("muon_square", muon_product_kernel<true>, grid_of(square), stream, work_of(plan, square),
           Product{x, x, nullptr, q, 1.0f, 0.0f}, false);
    launch("muon_polynomial", muon_product_kernel<true>, grid_of(square), stream, work_of(plan, square),
           Product{q, q, q, polynomial, kNewtonSchulzC, kNewtonSchulzB}, true);
    launch("muon_advance", muon_product_kernel<false>, grid_of(tall), stream, work_of(plan, tall),
           Product{x, polynomial, x, plan.x((step + 1) % 2), 1.0f, kNewtonSchulzA}, false);
  }
  return kNewtonSchulzSteps % 2;
}

template <class Source>
int orthogonalise(Stream& stream, const MuonPlan& plan, const Source& source) {
  const auto& chunks = plan.chunks();
  launch("muon_load", muon_load_kernel<Source>, grid_of(chunks), stream, work_of(plan, chunks), source, plan.x(0),
         plan.sums());
  return orthogonalise(stream, plan);
}

}  // namespace

void newton_schulz(Stream& stream, const NewtonSchulzArgs& args) {
  const MuonPlan plan(stream, {{0, {args.rows, args.columns, 1.0f}, 0}});
  const int result = orthogonalise(stream, plan, GivenMatrix{args.in});
  launch("muon_store", muon_store_kernel, grid_of(plan.chunks()), stream, work_of(plan, plan.chunks()), plan.x(result),
         args.out);
}

void muon_step(Stream& stream, const MuonStepArgs& args) {
  const StepPointers step{args.coefficients, args.values, args.grads, args.momentum, args.sgd_momentum, args.norm};
  const int result = orthogonalise(stream, args.plan, Direction{step});
  launch("muon_apply", muon_apply_kernel, grid_of(args.plan.chunks()), stream, work_of(args.plan, args.plan.chunks()),
         step, args.plan.x(result));
}

}  // namespace boxcar::kernels::cuda
