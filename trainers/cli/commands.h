// What each word of the command line does, apart from training.
#pragma once

#include <map>
#include <string>

#include "boxcar/trainers/args/args.h"
#include "boxcar/trainers/engine/options.h"

namespace boxcar {

/// `boxcar checks`: a line each for the program, system, CPU and arithmetic, memory, CUDA and driver, cards, and the
/// versions of libraries as they are loaded. Needs no GPU.
std::string checks_text();
/// `boxcar info model=...`: the table of layers, parameters and GFLOPs; with traffic=True what a training step moves.
std::string info_text(const std::map<std::string, Setting>& values);
/// `boxcar plan model=...`: the memory that training takes, part by part.
std::string plan_text(const std::map<std::string, Setting>& values);
/// `boxcar data check|convert|shapes`.
void run_data_command(const std::string& word, const std::map<std::string, Setting>& values, const Options& options);
/// `boxcar val` and `boxcar predict`; the exit status.
int run_val(const Args& args, const Overrides& overrides, const Options& options);
int run_predict(const Args& args, const Overrides& overrides, const Options& options);

}  // namespace boxcar
