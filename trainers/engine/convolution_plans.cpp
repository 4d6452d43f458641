#include "boxcar/trainers/engine/convolution_plans.h"

#include "boxcar/kernels/conv/conv_plans.h"
#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/atomic_file.h"

namespace boxcar {

void set_up_convolutions(Stream& stream, const Args& args, const Log& log) {
  if (!stream.device().is_cuda()) return;
  kernels::ConvPlans& plans = kernels::conv_plans(stream);
  plans.set_timed(!args.deterministic);
  plans.set_log(log);
}

void ConvolutionPlansFile::read(Stream& stream, const Log& log) const {
  constexpr std::uint64_t kMostBytes = 16 << 20;
  if (!stream.device().is_cuda() || !std::filesystem::exists(file_)) return;
  kernels::ConvPlans& plans = kernels::conv_plans(stream);
  if (!plans.has_engines()) return;
  try {
    plans.read_text(read_file(file_, kMostBytes), file_.string());
  } catch (const Error& error) {
    log.warning("{}; plans are chosen anew, and the numbers may differ in their last bits", error.what());
  }
}

void ConvolutionPlansFile::write(Stream& stream) {
  if (!stream.device().is_cuda()) return;
  const kernels::ConvPlans& plans = kernels::conv_plans(stream);
  if (plans.choices() == written_) return;
  write_file_atomically(file_, plans.to_text());
  written_ = plans.choices();
}

}  // namespace boxcar
