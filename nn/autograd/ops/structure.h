// Ops that move channels and pixels about.
#pragma once

#include "boxcar/kernels/pool/max_pool.h"
#include "boxcar/nn/autograd/value.h"

namespace boxcar::nn {

/// Concatenation over channels. Parts that already lie side by side in one wide buffer
/// (see Place) cost nothing; others are copied, and the copies counted.
Value concat(Context& context, std::span<const Value> parts, std::span<const Place> places = {});

/// Nearest-neighbour enlargement by a whole factor.
Value upsample(Context& context, const Value& x, int factor = 2, std::span<const Place> places = {});

/// Max pooling; the gradient goes to the first largest value of each window.
Value max_pool(Context& context, const Value& x, kernels::PoolOptions options, std::span<const Place> places = {});

/// The same numbers in f32 or bf16; x itself where it has that type. The gradient is cast back.
Value cast(Context& context, const Value& x, DType dtype);

/// a + b, of one shape.
Value add(Context& context, const Value& a, const Value& b);

}  // namespace boxcar::nn
