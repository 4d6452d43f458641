// Charts by the gnuplot program, where it is installed.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>

namespace boxcar {

/// Whether a chart was drawn; if not, one sentence that says why. A missing chart is never a failure of a run.
struct Drawn {
  bool ok = true;
  std::string reason{};
  explicit operator bool() const { return ok; }
};

struct GnuplotOptions {
  std::string program = "gnuplot";  // a file name with a slash, or one that is looked up in PATH
  std::chrono::milliseconds limit{60000};
};

/// Runs the script, which must plot to its standard output with the pngcairo terminal, and writes the
/// picture. The program is started directly, without a shell and without its start-up files; the script goes
/// in and the picture comes out through memory, so no path or name from outside is part of a command.
Drawn run_gnuplot(std::string_view script, const std::filesystem::path& png, const GnuplotOptions& options = {});

/// The text as a string constant of gnuplot's: printable(), nothing in it is expanded or executed.
std::string gnuplot_string(std::string_view text, std::size_t max_characters = 60);

/// "set terminal ..." for a picture of that size in inches and dots an inch.
std::string gnuplot_terminal(double width_inches, double height_inches, int dpi);

}  // namespace boxcar
