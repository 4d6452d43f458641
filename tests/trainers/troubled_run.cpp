// The program boxcar with something that goes wrong at a chosen moment of a training run; epochs count from 0, and
// "end" is the time after the last one. The rest of the command line is boxcar's.
//   troubled_run kill-in-validation EPOCH ...    SIGKILL in the validation of the epoch
//   troubled_run kill-in-write EPOCH FILE ...    SIGKILL when half of the file's new content is written
//   troubled_run full-disk EPOCH FOLDER ...      the folder's disk is full from the end of the epoch to that of the
//   next
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "boxcar/trainers/cli/program.h"

namespace {

constexpr int kEnd = 1 << 20;

struct Trouble {
  std::string kind, name;
  int at = -1, epoch = -1;
  bool is_now(std::string_view which) const { return kind == which && epoch == at; }
};
Trouble g_trouble;

[[noreturn]] void die() {
  kill(getpid(), SIGKILL);
  std::abort();
}

// Whether the file behind the number is the temporary of `name`: ".last.pt.123.0.tmp".
bool is_temporary_of(int number, const std::string& name) {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(number), error);
  return path.filename().string().starts_with("." + name + ".");
}

void fill(const std::filesystem::path& file) {
  const int out = open(file.c_str(), O_WRONLY | O_CREAT, 0600);
  const std::string block(4096, 'x');
  while (write(out, block.data(), block.size()) > 0) continue;
  close(out);
}

void end_of_epoch(boxcar::BaseTrainer& trainer) {
  if (g_trouble.kind != "full-disk") return;
  const std::filesystem::path filler = std::filesystem::path(g_trouble.name) / "filler";
  if (trainer.epoch() == g_trouble.at) fill(filler);
  if (trainer.epoch() == g_trouble.at + 1) {
    std::printf("last.pt holds epoch %d\n", boxcar::Checkpoint::read(trainer.last()).epoch + 1);
    std::filesystem::remove(filler);
  }
}

}  // namespace

// Takes the place of the system library's, for this program's own calls.
extern "C" ssize_t write(int number, const void* data, size_t count) {
  if (g_trouble.is_now("kill-in-write") && is_temporary_of(number, g_trouble.name)) {
    syscall(SYS_write, number, data, count / 2);
    die();
  }
  return syscall(SYS_write, number, data, count);
}

int main(int argc, char** argv) {
  int words = 3;
  if (argc < 4) return 2;
  g_trouble.kind = argv[1];
  g_trouble.at = argv[2] == std::string("end") ? kEnd : std::atoi(argv[2]);
  if (g_trouble.kind != "kill-in-validation") g_trouble.name = argv[words++];
  boxcar::Program program;
  program.on("on_train_epoch_start", [](boxcar::BaseTrainer& t) { g_trouble.epoch = t.epoch(); });
  program.on("on_val_start", [](boxcar::BaseValidator& v) {
    if (!v.training()) g_trouble.epoch = kEnd;
  });
  program.on("on_val_batch_end", [](boxcar::BaseValidator&) {
    if (g_trouble.is_now("kill-in-validation")) die();
  });
  program.on("on_fit_epoch_end", end_of_epoch);
  argv[words - 1] = argv[0];
  return program.run(argc - words + 1, argv + words - 1);
}
