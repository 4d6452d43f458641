#include "boxcar/trainers/args/command_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/atomic_file.h"
#include "boxcar/runtime/files/embedded.h"
#include "boxcar/runtime/files/quote.h"
#include "boxcar/trainers/args/own_words.h"
#include "boxcar/trainers/args/similar.h"
#include "boxcar/trainers/args/words.h"

namespace boxcar {
namespace {

constexpr std::string_view kTasks[] = {"detect", "segment", "semantic", "depth", "classify", "pose", "obb"};
constexpr std::string_view kModes[] = {"train", "val", "predict", "export", "track", "benchmark"};

struct SpecialWord {
  std::string_view word;
  Command::Kind kind;
  std::string_view refusal;  // why boxcar does not have it; empty if it does
};
constexpr std::string_view kNoSettings =
    "boxcar keeps no settings file: give folders as arguments (project=, data=) or in a file (cfg=)";
constexpr std::string_view kNoService = "boxcar talks to no web service";
constexpr std::string_view kNoSolutions = "boxcar has no 'solutions'";
constexpr SpecialWord kSpecial[] = {
    {"help", Command::Kind::help, {}},
    {"h", Command::Kind::help, {}},
    {"version", Command::Kind::version, {}},
    {"v", Command::Kind::version, {}},
    {"checks", Command::Kind::checks, {}},
    {"check", Command::Kind::checks, {}},
    {"cfg", Command::Kind::cfg, {}},
    {"copy-cfg", Command::Kind::copy_cfg, {}},
    {"c", Command::Kind::copy_cfg, {}},
    {"settings", Command::Kind::help, kNoSettings},
    {"setting", Command::Kind::help, kNoSettings},
    {"login", Command::Kind::help, kNoService},
    {"logout", Command::Kind::help, kNoService},
    {"l", Command::Kind::help, kNoService},
    {"solutions", Command::Kind::help, kNoSolutions},
    {"solution", Command::Kind::help, kNoSolutions},
    {"s", Command::Kind::help, kNoSolutions},
};

bool is_in(std::span<const std::string_view> words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

const SpecialWord* special_word(std::string word) {
  for (char& c : word) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  for (int dashes = 0; dashes < 2 && word.starts_with('-'); ++dashes) word.erase(0, 1);
  const auto* it = std::ranges::find(kSpecial, word, &SpecialWord::word);
  return it == std::end(kSpecial) ? nullptr : it;
}

/// `info ...`, `plan ...` and `data WORD ...`: a grammar of their own, so only as the first word.
bool read_own_command(Command& command, const std::vector<std::string>& words) {
  if (words.front() == "info") {
    command.kind = Command::Kind::info;
    command.values = read_own_values("info", std::span(words).subspan(1));
    return true;
  }
  if (words.front() == "plan") {
    command.kind = Command::Kind::plan;
    command.values = read_own_values("plan", std::span(words).subspan(1));
    return true;
  }
  if (words.front() != "data") return false;
  const auto known = data_words();
  const std::string sub_word = words.size() > 1 ? words[1] : "";
  if (std::ranges::find(known, sub_word) == known.end())
    fail<ArgumentError>("'boxcar data' is followed by check, convert or shapes{}",
                        sub_word.empty() ? "" : ", not " + quote(sub_word));
  command.kind = Command::Kind::data;
  command.sub_word = sub_word;
  command.values = read_own_values("data " + sub_word, std::span(words).subspan(2));
  return true;
}

std::string without_dashes_and_comma(const std::string& word, std::vector<std::string>& warnings) {
  std::string out = word;
  if (out.starts_with("--")) out.erase(0, 2);
  if (out.ends_with(',')) out.pop_back();
  if (out != word) warnings.push_back(fmt::format("{} is read as {}", quote(word), quote(out)));
  return out;
}

void read_bare_word(Command& command, const std::string& word) {
  if (is_in(kTasks, word)) {
    command.task = word;
    command.overrides.set("task", word);
  } else if (is_in(kModes, word)) {
    command.mode = word;
    command.overrides.set("mode", word);
  } else {
    command.overrides.set(switch_name(word), true);
  }
}

void read_key_value(Command& command, const std::string& word, std::size_t equals) {
  command.overrides.set_text(word.substr(0, equals), word.substr(equals + 1));
  const Setting* task = command.overrides.find("task");
  const Setting* mode = command.overrides.find("mode");
  if (task && task->is_text()) command.task = task->as_text();
  if (mode && mode->is_text()) command.mode = mode->as_text();
}

/// One word of a run. Returns false after a special word, which ends the command.
bool read_word(Command& command, const std::string& original) {
  const auto equals = original.find('=');
  if (equals == std::string::npos) {
    if (const SpecialWord* special = special_word(original)) {
      if (!special->refusal.empty()) fail<ArgumentError>("'{}': {}", original, special->refusal);
      command.kind = special->kind;
      return false;
    }
  }
  const std::string word = without_dashes_and_comma(original, command.warnings);
  if (const auto at = word.find('='); at != std::string::npos)
    read_key_value(command, word, at);
  else
    read_bare_word(command, word);
  return true;
}

void finish_run(Command& command) {
  command.kind = Command::Kind::run;
  if (!command.mode && !command.overrides.contains("mode") && !command.overrides.contains("cfg")) {
    command.warnings.push_back("no mode is given (train, val or predict); train is used");
    command.mode = "train";
    command.overrides.set("mode", "train");
  }
  if (command.task == "track") {
    command.overrides.set("task", "detect").set("mode", "track");
    command.task = "detect";
    command.mode = "track";
  }
}

}  // namespace

std::vector<std::string_view> known_words() {
  std::vector<std::string_view> out{"detect", "info", "plan", "data", "help", "version", "checks", "cfg", "copy-cfg"};
  out.insert(out.end(), std::begin(kModes), std::end(kModes));
  return out;
}

Command parse_command_line(const std::vector<std::string>& argv) {
  Command command;
  const auto words = join_words(argv);
  if (words.empty() || read_own_command(command, words)) return command;
  for (const std::string& word : words)
    if (!read_word(command, word)) return command;
  finish_run(command);
  return command;
}

Command parse_command_line(int argc, const char* const* argv) {
  return parse_command_line(std::vector<std::string>(argv + std::min(argc, 1), argv + argc));
}

std::string version_text() { return BOXCAR_VERSION; }

std::string help_text() {
  return fmt::format(R"(boxcar {}: trains and runs object detectors.

  boxcar [detect] MODE key=value ...     MODE is train, val or predict; words stand in any order
  boxcar info model=FILE                 layers, parameters and operations of a model
  boxcar info model=FILE traffic=True    bytes and kernel launches of a training step, op by op
  boxcar plan model=FILE [imgsz batch]   memory that training takes, part by part, without training
  boxcar data check data=FILE            look through a data set without changing it
  boxcar data convert source=... target=...
  boxcar data shapes target=FOLDER       write a small data set of drawn shapes
  boxcar checks | version | cfg | copy-cfg | help

Examples
  boxcar train data=helmets/data.yaml model=yolo11n.yaml epochs=50 imgsz=640
  boxcar val model=runs/detect/train/weights/best.pt data=helmets/data.yaml
  boxcar predict model=runs/detect/train/weights/best.pt source=images/ conf=0.4
  boxcar train resume=runs/detect/train/weights/last.pt

Values are numbers, True, False, None, lists (classes=[0,2]) or text; an argument that is on or off may stand
alone (rect). 'boxcar cfg' prints every argument with its default and meaning, 'boxcar copy-cfg' writes them to
default_copy.yaml, which cfg=default_copy.yaml reads back.
)",
                     version_text());
}

std::filesystem::path copy_default_config(const std::filesystem::path& folder) {
  const auto file = folder / "default_copy.yaml";
  std::error_code error;
  if (std::filesystem::exists(file, error)) fail<IoError>("{} exists already; remove it first", quote_path(file));
  write_file_atomically(file, embedded_file("default.yaml"));
  return file;
}

}  // namespace boxcar
