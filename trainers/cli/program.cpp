#include "boxcar/trainers/cli/program.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <new>

#include "boxcar/kernels/common/instruction_set.h"
#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/embedded.h"
#include "boxcar/trainers/args/command_line.h"
#include "boxcar/trainers/cli/commands.h"

namespace boxcar {
namespace {

constexpr int kFailed = 1, kUsage = 2;

// Set by the signal handler, which may do no more than this.
volatile std::sig_atomic_t g_interrupted = 0;
extern "C" void note_interrupt(int) { g_interrupted = 1; }

void print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void limit_instructions(const char* name) {
  try {
    kernels::limit_instruction_set(name);
  } catch (const ArgumentError& error) {
    fail<ArgumentError>("the environment's BOXCAR_MAX_ISA: {}", error.what());
  }
}

Options terminal_options() {
  Options options;
  options.log = [](LogLevel level, std::string_view message) {
    if (level == LogLevel::kWarning) print("warning: ");
    print(message);
    print("\n");
  };
  options.console.write = print;
  options.console.terminal = ::isatty(STDOUT_FILENO) == 1;
  winsize size{};
  if (options.console.terminal && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) options.console.columns = size.ws_col;
  return options;
}

}  // namespace

Program::Program() { trainer<DetectionTrainer>(); }

int Program::run(int argc, char** argv) {
  try {
    return execute(argc, argv);
  } catch (const ArgumentError& error) {
    std::fprintf(stderr, "boxcar: %s\n", error.what());
    return kUsage;
  } catch (const std::bad_alloc&) {
    std::fputs(
        "boxcar: out of memory: the system has no more for this program; use a smaller batch or imgsz, fewer workers, "
        "or "
        "cache=False\n",
        stderr);
    return kFailed;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "boxcar: %s\n", error.what());
    return kFailed;
  }
}

int Program::train(const Overrides& overrides) {
  const std::unique_ptr<BaseTrainer> trainer = make_trainer_(overrides, terminal_options());
  check_inputs(trainer->args());
  for (const auto& subscribe : subscriptions_) subscribe(*trainer);
  std::signal(SIGINT, note_interrupt);
  std::signal(SIGTERM, note_interrupt);
  trainer->add_callback(events::on_train_batch_end, [](BaseTrainer& t) {
    if (g_interrupted) t.request_stop();
  });
  trainer->train();
  return 0;
}

int Program::execute(int argc, char** argv) {
  if (const char* limit = std::getenv("BOXCAR_MAX_ISA")) limit_instructions(limit);
  const Command command = parse_command_line(argc, argv);
  for (const std::string& warning : command.warnings) print("warning: " + warning + "\n");
  switch (command.kind) {
    case Command::Kind::help:
      print(help_text());
      return 0;
    case Command::Kind::version:
      print(version_text() + "\n");
      return 0;
    case Command::Kind::checks:
      print(checks_text());
      return 0;
    case Command::Kind::cfg:
      print(embedded_file("default.yaml"));
      return 0;
    case Command::Kind::copy_cfg:
      print(copy_default_config(std::filesystem::current_path()).string() + " written\n");
      return 0;
    case Command::Kind::info:
      print(info_text(command.values));
      return 0;
    case Command::Kind::plan:
      print(plan_text(command.values));
      return 0;
    case Command::Kind::data:
      run_data_command(command.sub_word, command.values, terminal_options());
      return 0;
    case Command::Kind::run:
      break;
  }
  const Args args = Args::from(command.overrides);
  if (args.mode == "train") return train(command.overrides);
  if (args.mode == "val") return run_val(args, command.overrides, terminal_options());
  return run_predict(args, command.overrides, terminal_options());
}

}  // namespace boxcar
