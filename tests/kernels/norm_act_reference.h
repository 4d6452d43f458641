// Batch normalisation and activation in double, straight from the formulas.
#pragma once

#include <cstdint>
#include <vector>

#include "boxcar/kernels/norm_act/norm_act.h"

namespace boxcar::test {

class NormActReference {
 public:
  NormActReference(std::int64_t rows, int channels, kernels::Act act, bool batch_stats)
      : rows_(rows), channels_(channels), act_(act), batch_stats_(batch_stats) {}

  /// eps 1e-3, momentum 0.03.
  void set_norm(const std::vector<float>& z, const std::vector<float>& gamma, const std::vector<float>& beta,
                const std::vector<float>& running_mean, const std::vector<float>& running_var);
  const std::vector<double>& mean() const { return mean_; }
  const std::vector<double>& rstd() const { return rstd_; }
  const std::vector<double>& running_mean() const { return running_mean_; }
  const std::vector<double>& running_var() const { return running_var_; }

  /// An empty residual is none.
  std::vector<double> forward(const std::vector<float>& residual) const;
  struct Gradients {
    std::vector<double> dz, dgamma, dbeta;
  };
  Gradients backward(const std::vector<double>& dy) const;

  std::vector<double> channels(const std::vector<double>& all, kernels::Range of) const;
  void add_channels(std::vector<double>& all, kernels::Range of, const std::vector<float>& part) const;

 private:
  std::size_t at(std::int64_t row, int channel) const { return static_cast<std::size_t>(row * channels_ + channel); }

  std::int64_t rows_;
  int channels_;
  kernels::Act act_;
  bool batch_stats_;
  std::vector<double> z_, gamma_, beta_, mean_, rstd_, running_mean_, running_var_;
};

}  // namespace boxcar::test
