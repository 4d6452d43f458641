// What a host tells a run beside its arguments, and what a run gives back.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string_view>

#include "boxcar/runtime/base/log.h"
#include "boxcar/trainers/metrics/det_metrics.h"

namespace boxcar {

/// Where progress is drawn. Without `write` a run draws nothing.
struct Console {
  std::function<void(std::string_view)> write{};
  bool terminal = false;  // lines may be redrawn
  int columns = 0;        // of the terminal; 0: unknown
};

struct Options {
  int threads = 0;         // CPU threads that ops use; 0: the argument `threads`, else all
  std::stop_token stop{};  // asks the run to stop after the batch it is in
  LogSink log{};           // messages; silent without
  Console console{};
};

enum class End {
  finished,
  early_stop,  // no better fitness for `patience` epochs
  stopped,     // asked to, by a callback or the stop token
  time_up      // the argument `time`
};

struct TrainResult {
  Metrics metrics;                   // of the final evaluation of best.pt
  std::filesystem::path best, last;  // checkpoints
  int epochs = 0;                    // finished in this run
  End end = End::finished;
};

enum class Mode { train, val };

/// For numbers that live on the device: take what has arrived, or wait for the latest.
enum class Wait { no, yes };

}  // namespace boxcar
