#include "boxcar/trainers/plots/gnuplot.h"

#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/atomic_file.h"
#include "boxcar/trainers/plots/fonts.h"
#include "boxcar/trainers/plots/printable.h"

extern char** environ;

namespace boxcar {
namespace {

constexpr std::string_view kPngStart = "\x89PNG\r\n";
constexpr double kScreenDpi = 96;  // at which the terminal's fonts and lines have their nominal size

/// A file in memory that a child process reads or writes.
class MemoryFile {
 public:
  MemoryFile() : fd_(memfd_create("boxcar-chart", MFD_CLOEXEC)) {
    if (fd_ < 0) fail<IoError>("no memory file for a chart: {}", std::strerror(errno));
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { close(fd_); }

  int fd() const { return fd_; }
  void write_all(std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::write(fd_, text.data(), text.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) fail<IoError>("a chart's script could not be passed on: {}", std::strerror(errno));
      text.remove_prefix(static_cast<std::size_t>(n));
    }
    lseek(fd_, 0, SEEK_SET);
  }
  std::string read_all() const {
    std::string text(static_cast<std::size_t>(std::max<off_t>(0, lseek(fd_, 0, SEEK_END))), '\0');
    std::size_t done = 0;
    while (done < text.size()) {
      const ssize_t n = pread(fd_, text.data() + done, text.size() - done, static_cast<off_t>(done));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;
      done += static_cast<std::size_t>(n);
    }
    text.resize(done);
    return text;
  }

 private:
  int fd_;
};

/// Starts the program with these three as its standard files. 0, or an errno.
int start(const std::string& program, const MemoryFile& in, const MemoryFile& out, const MemoryFile& err,
          pid_t& child) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&files, in.fd(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&files, out.fd(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, err.fd(), STDERR_FILENO);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);  // the host may block signals; the child must not
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  std::string name = program, no_startup_files = "-d";
  char* const arguments[] = {name.data(), no_startup_files.data(), nullptr};
  const int error = posix_spawnp(&child, program.c_str(), &files, &attributes, arguments, environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  return error;
}

/// Whether the child ended in time; it is killed otherwise.
bool wait_for(pid_t child, std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  int status = 0;
  for (;;) {
    const pid_t got = waitpid(child, &status, WNOHANG);
    // Where the host ignores SIGCHLD there is no status to collect: ECHILD.
    if (got == child || (got < 0 && errno != EINTR)) return true;
    if (std::chrono::steady_clock::now() >= end) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  kill(child, SIGKILL);
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return false;
}

Drawn draw(std::string_view script, const std::filesystem::path& png, const GnuplotOptions& options) {
  MemoryFile in, out, err;
  in.write_all(script);
  pid_t child = 0;
  if (const int error = start(options.program, in, out, err, child); error != 0) {
    return {false, fmt::format("{} was not drawn: {} cannot be started ({}); install gnuplot for charts", png.string(),
                               options.program, std::strerror(error))};
  }
  if (!wait_for(child, options.limit)) {
    return {false, fmt::format("{} was not drawn: gnuplot took more than {} ms", png.string(), options.limit.count())};
  }
  const std::string picture = out.read_all();
  if (!picture.starts_with(kPngStart)) {
    return {false, fmt::format("{} was not drawn: gnuplot gave no picture ({})", png.string(),
                               printable(err.read_all(), 300))};
  }
  write_file_atomically(png, picture);
  return {};
}

}  // namespace

Drawn run_gnuplot(std::string_view script, const std::filesystem::path& png, const GnuplotOptions& options) {
  try {
    return draw(script, png, options);
  } catch (const IoError& e) {
    return {false, e.what()};
  }
}

std::string gnuplot_string(std::string_view text, std::size_t max_characters) {
  std::string out = "'";
  // A character without a font would be drawn as a box of many times the text's size.
  for (const char c : drawable_text(printable(text, max_characters))) {
    // Quotes are doubled; a back-quote would start a command where it is not within quotes.
    out += c == '\'' ? "''" : c == '`' ? "\xCB\x8B" : std::string(1, c);
  }
  return out + "'";
}

std::string gnuplot_terminal(double width_inches, double height_inches, int dpi) {
  return fmt::format(
      "set terminal pngcairo size {},{} font 'DejaVu Sans,10' fontscale {:.3f} linewidth {:.3f} noenhanced "
      "background '#ffffff'\nset encoding utf8\n",
      static_cast<int>(width_inches * dpi), static_cast<int>(height_inches * dpi), dpi / kScreenDpi, dpi / kScreenDpi);
}

}  // namespace boxcar
