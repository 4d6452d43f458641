// Tensors for tests: values in, values out, awkward layouts.
#pragma once

#include <cstdint>
#include <vector>

#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::test {

/// Uniform in -3..3, the same for the same seed.
std::vector<float> random_values(std::int64_t count, unsigned seed);

/// Whole numbers from -most to most without 0, the same for the same seed. Products and sums of them are whole, and
/// exact in f32 in any order while they stay below 2^24 (in bf16 below 2^8): what is linear can be compared to the bit.
std::vector<float> whole_values(std::int64_t count, int most, unsigned seed);

/// The sum of a[i] * b[i], in double; NaN where the sizes differ. A linear op A and its gradient A' obey
/// <dy, A x> = <A' dy, x>: with whole values exactly, so that one element too many, too few or misplaced shows.
double inner(const std::vector<float>& a, const std::vector<float>& b);

/// Each value rounded to what `dtype` (f32, bf16) can hold.
std::vector<float> rounded_to(DType dtype, std::vector<float> values);

/// A packed tensor of f32 or bf16 with these values, in NHWC order.
Tensor tensor_of(Stream& stream, Shape shape, const std::vector<float>& values, DType dtype = DType::kF32);

/// A packed tensor of u8 or i32.
Tensor tensor_of_bytes(Stream& stream, Shape shape, const std::vector<std::uint8_t>& values);
Tensor tensor_of_integers(Stream& stream, Shape shape, const std::vector<std::int32_t>& values);

/// tensor_of() as channels first..first+shape.c-1 of a tensor of `width` channels; the others are NaN.
Tensor slice_of(Stream& stream, Shape shape, const std::vector<float>& values, DType dtype, int first, int width);

/// Packed, every element NaN: a result that is not written shows.
Tensor unwritten(Stream& stream, Shape shape, DType dtype = DType::kF32);

/// Appends b to a.
void append(std::vector<float>& a, const std::vector<float>& b);

}  // namespace boxcar::test
