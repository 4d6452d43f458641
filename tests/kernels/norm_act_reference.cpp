#include "kernels/norm_act_reference.h"

#include <cmath>

namespace boxcar::test {

void NormActReference::set_norm(const std::vector<float>& z, const std::vector<float>& gamma,
                                const std::vector<float>& beta, const std::vector<float>& running_mean,
                                const std::vector<float>& running_var) {
  z_.assign(z.begin(), z.end());
  gamma_.assign(gamma.begin(), gamma.end());
  beta_.assign(beta.begin(), beta.end());
  running_mean_.assign(running_mean.begin(), running_mean.end());
  running_var_.assign(running_var.begin(), running_var.end());
  const double rows = static_cast<double>(rows_), eps = 1e-3f, momentum = 0.03f;
  for (int c = 0; c < channels_; ++c) {
    const auto i = static_cast<std::size_t>(c);
    double mean = running_mean_[i], var = running_var_[i];
    if (batch_stats_) {
      mean = var = 0;
      for (std::int64_t r = 0; r < rows_; ++r) mean += z_[at(r, c)] / rows;
      for (std::int64_t r = 0; r < rows_; ++r) var += (z_[at(r, c)] - mean) * (z_[at(r, c)] - mean) / rows;
      running_mean_[i] += momentum * (mean - running_mean_[i]);
      running_var_[i] += momentum * (var * rows / (rows - 1) - running_var_[i]);
    }
    mean_.push_back(mean);
    rstd_.push_back(1 / std::sqrt(var + eps));
  }
}

std::vector<double> NormActReference::forward(const std::vector<float>& residual) const {
  std::vector<double> y(z_.size());
  for (std::size_t i = 0; i < z_.size(); ++i) {
    const std::size_t c = i % static_cast<std::size_t>(channels_);
    y[i] = kernels::activate(act_, gamma_[c] * (z_[i] - mean_[c]) * rstd_[c] + beta_[c]);
    if (!residual.empty()) y[i] += residual[i];
  }
  return y;
}

NormActReference::Gradients NormActReference::backward(const std::vector<double>& dy) const {
  const auto width = static_cast<std::size_t>(channels_);
  Gradients out{std::vector<double>(z_.size()), std::vector<double>(width), std::vector<double>(width)};
  std::vector<double> g(z_.size()), zhat(z_.size());
  for (std::size_t i = 0; i < z_.size(); ++i) {
    const std::size_t c = i % width;
    zhat[i] = (z_[i] - mean_[c]) * rstd_[c];
    g[i] = dy[i] * kernels::activate_grad(act_, gamma_[c] * zhat[i] + beta_[c]);
    out.dgamma[c] += g[i] * zhat[i];
    out.dbeta[c] += g[i];
  }
  const double scale = batch_stats_ ? 1.0 / static_cast<double>(rows_) : 0.0;
  for (std::size_t i = 0; i < z_.size(); ++i) {
    const std::size_t c = i % width;
    out.dz[i] = gamma_[c] * rstd_[c] * (g[i] - scale * out.dbeta[c] - zhat[i] * scale * out.dgamma[c]);
  }
  return out;
}

std::vector<double> NormActReference::channels(const std::vector<double>& all, kernels::Range of) const {
  std::vector<double> part;
  for (std::int64_t r = 0; r < rows_; ++r) {
    for (int i = 0; i < of.count; ++i) part.push_back(all[at(r, of.first + i)]);
  }
  return part;
}

void NormActReference::add_channels(std::vector<double>& all, kernels::Range of, const std::vector<float>& part) const {
  for (std::int64_t r = 0; r < rows_; ++r) {
    for (int i = 0; i < of.count; ++i) all[at(r, of.first + i)] += part[static_cast<std::size_t>(r * of.count + i)];
  }
}

}  // namespace boxcar::test
