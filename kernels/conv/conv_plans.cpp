#include "boxcar/kernels/conv/conv_plans.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "boxcar/kernels/vendor/libraries.h"
#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/device/backend.h"
#include "boxcar/runtime/device/event.h"

namespace boxcar::kernels {
namespace {

constexpr std::string_view kOwn = "own", kHeading = "# convolution plans: ";
constexpr int kMostTimed = 6;
constexpr int kCallsBeforeCompiling = 3;

const char* name_of(ConvPass pass) {
  switch (pass) {
    case ConvPass::kForward:
      return "forward";
    case ConvPass::kBackwardInput:
      return "backward_input";
    default:
      return "backward_weight";
  }
}

std::string card_of(Device device) {
  const std::vector<std::string> cards = cuda_report().cards;
  const auto index = static_cast<std::size_t>(device.index);
  return index < cards.size() ? cards[index] : device.name();
}

}  // namespace

std::string ConvProblem::text() const {
  const ConvOptions& o = options;
  return fmt::format("{} {}x{}x{}x{}->{} k{} s{} p{} d{} g{} {}>{}{}{}{}", name_of(pass), x.n, x.h, x.w, x.c, y.c,
                     o.kernel, o.stride, o.padding, o.dilation, o.groups, boxcar::name_of(type),
                     boxcar::name_of(result), bias ? " bias" : "",
                     act == ActKind::kIdentity ? std::string() : fmt::format(" act{}", static_cast<int>(act)),
                     statistics ? " statistics" : "");
}

ConvPlans::ConvPlans(Stream& stream) : stream_(stream) {
  if (!stream.device().is_cuda() || cuda_is_emulated() || !vendor_libraries_wanted()) return;
  for (const auto make : {make_cudnn_engine, make_gemm_engine}) {
    if (std::unique_ptr<ConvEngine> engine = make(stream)) add_engine(std::move(engine));
  }
}

ConvPlans::~ConvPlans() {
  if (!has_engines()) return;
  try {
    stream_.synchronize();
  } catch (const Error& error) {
    log_.warning("{}", error.what());
  }
}

void ConvPlans::run(const ConvProblem& problem, const Ways& ways) {
  if (!has_engines()) return ways.own(false);
  const std::string key = problem.text();
  Entry& entry = entries_.try_emplace(key, Entry{.problem = problem}).first->second;
  if (!entry.decided && !decide(problem, key, entry, ways)) return ways.own(false);
  while (const Candidate* const choice = entry.choice()) {
    try {
      return ways.vendor(*choice->plan, false);
    } catch (const Error& error) {
      if (stream_.capturing()) throw;  // what was recorded so far cannot be used
      log_.warning("convolution {}: {} failed and is not used again: {}", key, choice->name, error.what());
      ++entry.chosen;
    }
  }
  ways.own(false);
}

// Whether there is a choice now.
bool ConvPlans::decide(const ConvProblem& problem, const std::string& key, Entry& entry, const Ways& ways) {
  if (stream_.capturing()) {
    if (!entry.said) log_.info("convolution {}: first seen in a recording, which takes our own kernel", key);
    entry.said = true;
    return false;
  }
  if (!restore(problem, key, entry)) {
    const bool activated = problem.act != ActKind::kIdentity;
    if (timed_ && activated && ++entry.calls < kCallsBeforeCompiling) return false;
    if (timed_ || !(ways.prefer_own || activated)) entry.candidates = offers(problem, key, timed_);
    if (timed_) rank(key, entry, ways);
  }
  return entry.decided = true;
}

bool ConvPlans::restore(const ConvProblem& problem, const std::string& key, Entry& entry) {
  const auto found = read_.find(key);
  if (found == read_.end()) return false;
  if (found->second == kOwn) return true;
  for (const auto& engine : engines_) {
    try {
      if (std::shared_ptr<ConvPlan> plan = engine->restore(problem, found->second)) {
        entry.candidates = {{found->second, std::move(plan)}};
        return true;
      }
    } catch (const DeviceError& error) {
      log_.warning("convolution {}: {}", key, error.what());
    }
  }
  log_.warning("convolution {}: the plan {} of the file cannot be had here; another one gives other bits", key,
               found->second);
  return false;
}

std::vector<ConvPlans::Candidate> ConvPlans::offers(const ConvProblem& problem, const std::string& key, bool thorough) {
  std::vector<Candidate> candidates;
  std::string refusal;
  for (const auto& engine : engines_) {
    if (!thorough && !candidates.empty()) break;
    try {
      for (ConvOffer& offer : engine->offers(problem, {thorough ? kMostTimed : 1, thorough})) {
        if (offer.plan) {
          candidates.push_back({std::move(offer.name), std::move(offer.plan)});
        } else if (refusal.empty()) {
          refusal = fmt::format(" ({}: {})", offer.name, offer.refusal);
        }
      }
    } catch (const DeviceError& error) {
      if (refusal.empty()) refusal = fmt::format(" ({})", error.what());
    }
  }
  if (candidates.empty()) log_.info("convolution {}: no plan of {}, our own kernel runs{}", key, libraries(), refusal);
  return candidates;
}

// Sorts the candidates by time and drops those slower than our own kernel.
void ConvPlans::rank(const std::string& key, Entry& entry, const Ways& ways) {
  if (entry.candidates.empty()) return;
  std::vector<std::pair<double, Candidate>> timed;
  const double own = milliseconds(stream_, [&] { ways.own(true); });
  for (const Candidate& candidate : entry.candidates) {
    try {
      const double taken = milliseconds(stream_, [&] { ways.vendor(*candidate.plan, true); });
      if (taken < own) timed.emplace_back(taken, candidate);
    } catch (const Error& error) {
      log_.info("convolution {}: {} is left out: {}", key, candidate.name, error.what());
    }
  }
  std::ranges::stable_sort(timed, {}, [](const auto& one) { return one.first; });
  entry.candidates.clear();
  for (auto& [taken, candidate] : timed) entry.candidates.push_back(std::move(candidate));
}

double ConvPlans::milliseconds(Stream& stream, const std::function<void()>& work) {
  constexpr int kSamples = 5;
  StreamEvent start(stream.device(), {.timed = true}), end(stream.device(), {.timed = true});
  double best = std::numeric_limits<double>::infinity();
  work();
  for (int i = 0; i < kSamples; ++i) {
    start.record(stream);
    work();
    end.record(stream);
    best = std::min(best, end.milliseconds_since(start));
  }
  return best;
}

std::string ConvPlans::choice(const ConvProblem& problem) const {
  const auto found = entries_.find(problem.text());
  if (found == entries_.end() || !found->second.decided) return {};
  const Candidate* const choice = found->second.choice();
  return choice ? choice->name : std::string(kOwn);
}

int ConvPlans::choices() const {
  return static_cast<int>(std::ranges::count_if(entries_, [](const auto& one) { return one.second.decided; }));
}

std::vector<ConvProblem> ConvPlans::problems() const {
  std::vector<ConvProblem> problems;
  for (const auto& [key, entry] : entries_) problems.push_back(entry.problem);
  return problems;
}

std::string ConvPlans::libraries() const {
  std::string names;
  for (const auto& engine : engines_) names += (names.empty() ? "" : ", ") + engine->library();
  return names;
}

// Problem, a tab, plan. Those of the file read before that did not come again are kept.
std::string ConvPlans::to_text() const {
  std::map<std::string, std::string, std::less<>> lines = read_;
  for (const auto& [key, entry] : entries_) {
    if (entry.decided) lines[key] = entry.choice() ? entry.choice()->name : std::string(kOwn);
  }
  std::string text = fmt::format("{}{}; {}\n", kHeading, libraries(), card_of(stream_.device()));
  for (const auto& [key, name] : lines) text += fmt::format("{}\t{}\n", key, name);
  return text;
}

void ConvPlans::read_text(std::string_view text, std::string_view name) {
  const auto next_line = [&] {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return line;
  };
  const std::string_view heading = next_line();
  if (!heading.starts_with(kHeading)) fail<DataError>("{}: this is no list of convolution plans; remove it", name);
  const std::string here = fmt::format("{}; {}", libraries(), card_of(stream_.device()));
  if (const std::string_view there = heading.substr(kHeading.size()); there != here) {
    log_.warning("{}: the plans were chosen for {}, here is {}: the numbers will differ in their last bits", name,
                 there, here);
  }
  while (!text.empty()) {
    const std::string_view line = next_line();
    const std::size_t tab = line.find('\t');
    if (tab == std::string_view::npos) fail<DataError>("{}: '{}' is not a problem, a tab and a plan", name, line);
    read_.insert_or_assign(std::string(line.substr(0, tab)), std::string(line.substr(tab + 1)));
  }
}

}  // namespace boxcar::kernels
