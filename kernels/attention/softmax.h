// Softmax over rows of scores, with vector instructions; AVX2 and AVX-512 give the same bits.
#pragma once

#include <cstdint>

namespace boxcar::kernels::cpu {

/// row[i] = e^row[i] / sum_j e^row[j], in place; width >= 1. A row that holds a NaN becomes NaN.
void softmax_row(float* row, std::int64_t width);

/// grad[i] = softmax[i] * (grad[i] - sum_j softmax[j] grad[j]), in place.
void softmax_row_backward(const float* softmax, float* grad, std::int64_t width);

}  // namespace boxcar::kernels::cpu
