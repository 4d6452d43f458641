// The grammar of the command line: words in, a checked command out. Nothing is read, printed or run here, except that
// copy_default_config() writes the file it is for.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "boxcar/trainers/args/overrides.h"
#include "boxcar/trainers/args/setting.h"

namespace boxcar {

/// What a command line asks for.
struct Command {
  enum class Kind {
    run,       // [TASK] MODE key=value ...: see `overrides`, ready for Args::from
    help,      // print help_text()
    version,   // print version_text()
    checks,    // print what the machine offers
    cfg,       // print embedded_file("default.yaml")
    copy_cfg,  // copy_default_config(current folder)
    info,      // describe a model: `values`
    plan,      // what training it takes: `values`
    data       // work on a data set: `sub_word` and `values`
  };
  Kind kind = Kind::help;
  /// Task and mode as given; `overrides` hold them as well. Without a mode it is train, unless a cfg file may name one.
  std::optional<std::string> task, mode;
  Overrides overrides;
  /// For Kind::data: check, convert or shapes.
  std::string sub_word;
  /// For Kind::info and Kind::data: their own keys, each checked for name and kind, required ones present.
  std::map<std::string, Setting> values;
  /// One sentence each, to be printed before the command runs. Those of old spellings are in overrides.warnings(),
  /// which Args::from() logs.
  std::vector<std::string> warnings;
};

/// Reads the words after the program's name. Words stand in any order; the first special word (help, version, checks,
/// cfg, copy-cfg) ends the command. Throws ArgumentError, in one sentence, for everything that is not understood.
/// A command line that fails is a usage error: exit status 2.
Command parse_command_line(const std::vector<std::string>& words);
/// The same for main(): argv[0] is left out.
Command parse_command_line(int argc, const char* const* argv);

/// Text of `boxcar help`.
std::string help_text();
/// The bare version number, without a newline.
std::string version_text();

/// Writes cfg/default.yaml as default_copy.yaml into `folder` and returns its path. Throws IoError if the file exists
/// or cannot be written.
std::filesystem::path copy_default_config(const std::filesystem::path& folder);

}  // namespace boxcar
