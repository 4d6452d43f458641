// Messages for the host. The library never prints: it hands each message to a
// sink that the host (or the command line) sets; without one it is silent.
#pragma once

#include <fmt/core.h>

#include <functional>
#include <string_view>
#include <utility>

namespace boxcar {

enum class LogLevel { kInfo, kWarning };

using LogSink = std::function<void(LogLevel, std::string_view)>;

/// A sink and nothing else; copies share it. Called from the thread that logs.
class Log {
 public:
  Log() = default;
  explicit Log(LogSink sink) : sink_(std::move(sink)) {}

  void write(LogLevel level, std::string_view message) const;

  template <class... A>
  void info(fmt::format_string<A...> text, A&&... args) const {
    if (sink_) write(LogLevel::kInfo, fmt::format(text, std::forward<A>(args)...));
  }
  template <class... A>
  void warning(fmt::format_string<A...> text, A&&... args) const {
    if (sink_) write(LogLevel::kWarning, fmt::format(text, std::forward<A>(args)...));
  }

 private:
  LogSink sink_;
};

}  // namespace boxcar
