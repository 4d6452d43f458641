#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "boxcar/runtime/base/error.h"
#include "boxcar/trainers/callbacks/has_callbacks.h"
#include "support/files.h"
#include "support/golden.h"
#include "trainers/expect_error.h"

namespace boxcar {

namespace {

/// Announces events without a run. The bus hands a source through and never looks into it, so any address does; the
/// trainer classes stay incomplete here.
struct Bus : HasCallbacks {
  int value = 0;
  std::vector<std::string> log;

  template <class S>
  void announce(Event<S> event, int rank = 0) {
    run_callbacks(event, reinterpret_cast<S&>(*this),
                  Log([this](LogLevel, std::string_view m) { log.emplace_back(m); }), rank);
  }
  template <class S>
  static Bus& of(S& source) {
    return reinterpret_cast<Bus&>(source);
  }
};

TEST(Events, AreTheReferencesTwentyFive) {
  EXPECT_EQ(all_events().size(), 25u);
  std::set<std::string_view> names;
  for (const EventName& event : all_events()) names.insert(event.name);
  EXPECT_EQ(names.size(), 25u);
  EXPECT_EQ(find_event("on_val_end").source, SourceKind::validator);
}

TEST(Events, CoverTheGoldenTraces) {
  BOXCAR_NEED_SHARED();
  for (const char* file : {"callback_trace.txt", "callback_trace_more.txt"}) {
    std::istringstream in(test::read_plainly(test::shared(std::string("golden/trainer/") + file)));
    int events = 0;
    for (std::string line; std::getline(in, line);) {
      if (!line.starts_with("on_") && !line.starts_with("teardown")) continue;
      const std::string name = line.substr(0, line.find(' '));
      EXPECT_NO_THROW(find_event(name)) << name;
      ++events;
    }
    EXPECT_GT(events, 10);
  }
}

TEST(Events, NameTheNearestOfAnUnknownOne) {
  EXPECT_ERROR(ArgumentError, find_event("on_val_ende"),
               "unknown event 'on_val_ende', did you mean on_val_end, on_val_batch_end or on_train_end?");
  EXPECT_ERROR(ArgumentError, find_event("zzz"), "unknown event 'zzz'");
}

TEST(Callbacks, AreCalledInOrderWithTheSource) {
  Bus t;
  std::string order;
  t.add_callback(events::on_train_start, [&](BaseTrainer& source) { order += 'a', Bus::of(source).value += 1; });
  t.add_callback("on_train_start", [&](BaseTrainer& source) { order += 'b', Bus::of(source).value += 10; });
  t.add_callback("on_train_start", [&](auto&) { order += 'c'; });
  t.add_callback(events::on_train_end, [&](BaseTrainer&) { order += 'x'; });
  t.announce(events::on_train_start);
  EXPECT_EQ(order, "abc");
  EXPECT_EQ(t.value, 11);
  EXPECT_EQ(t.callback_count("on_train_start"), 3u);
}

TEST(Callbacks, CheckNameAndTypeWhenAdded) {
  Bus t;
  EXPECT_THROW(t.add_callback("on_trian_start", [](BaseTrainer&) {}), ArgumentError);
  EXPECT_ERROR(ArgumentError, t.add_callback("on_val_end", [](BaseTrainer&) {}),
               "event 'on_val_end' calls with a BaseValidator&, which this callback does not take");
  EXPECT_THROW(t.clear_callback("x"), ArgumentError);
  EXPECT_THROW(t.callback_count("x"), ArgumentError);
}

TEST(Callbacks, OfAnotherKindReachTheirObject) {
  // A facade's table holds callbacks of every kind; the validator takes its own from it.
  Bus facade;
  bool called = false;
  facade.add_callback("on_val_end", [&](BaseValidator&) { called = true; });
  Bus validator;
  validator.copy_callbacks_from(facade);
  validator.announce(events::on_val_end);
  EXPECT_TRUE(called);
}

TEST(Callbacks, AreRemovedClearedAndReset) {
  Bus t;
  int calls = 0;
  const auto count = [&](BaseTrainer&) { ++calls; };
  const CallbackId first = t.add_callback(events::teardown, count);
  t.add_callback(events::teardown, count);
  t.remove_callback(first);
  t.remove_callback(first);
  t.announce(events::teardown);
  EXPECT_EQ(calls, 1);
  t.clear_callback("teardown");
  t.announce(events::teardown);
  EXPECT_EQ(calls, 1);
  t.add_callback(events::teardown, count);
  t.reset_callbacks();
  EXPECT_EQ(t.callback_count("teardown"), 0u);
}

TEST(Callbacks, MayChangeTheTableWhileRunning) {
  Bus t;
  std::string order;
  CallbackId self{};
  self = t.add_callback(events::teardown, [&](BaseTrainer& source) {
    order += 'a';
    Bus::of(source).remove_callback(self);
    Bus::of(source).add_callback(events::teardown, [&](BaseTrainer&) { order += 'b'; });
  });
  t.announce(events::teardown);
  EXPECT_EQ(order, "a");
  t.announce(events::teardown);
  EXPECT_EQ(order, "ab");
}

TEST(Callbacks, CopiedTablesPartWays) {
  Bus facade, run;
  std::string order;
  const auto id = facade.add_callback(events::teardown, [&](BaseTrainer&) { order += 'f'; });
  run.copy_callbacks_from(facade);
  const auto later = run.add_callback(events::teardown, [&](BaseTrainer&) { order += 'r'; });
  EXPECT_NE(id, later);
  facade.reset_callbacks();
  run.announce(events::teardown);
  facade.announce(events::teardown);
  EXPECT_EQ(order, "fr");
  run.remove_callback(id);
  EXPECT_EQ(run.callback_count("teardown"), 1u);
}

TEST(Callbacks, AnExceptionLeavesAsItselfAndIsPlaced) {
  Bus t;
  bool later = false;
  t.add_callback(events::on_model_save, [](BaseTrainer&) { throw std::range_error("disk full"); });
  t.add_callback(events::on_model_save, [&](BaseTrainer&) { later = true; });
  EXPECT_ERROR(std::range_error, t.announce(events::on_model_save), "disk full");
  EXPECT_FALSE(later);
  EXPECT_EQ(t.log,
            std::vector<std::string>{"a callback of event 'on_model_save' failed, which ends the run: disk full"});
}

TEST(Callbacks, WarnInsteadWhereAsked) {
  Bus t;
  bool later = false;
  t.add_callback(events::on_model_save, [](BaseTrainer&) { throw 3; }, {.on_throw = OnThrow::warn});
  t.add_callback(events::on_model_save, [&](BaseTrainer&) { later = true; });
  EXPECT_NO_THROW(t.announce(events::on_model_save));
  EXPECT_TRUE(later);
  EXPECT_EQ(t.log, std::vector<std::string>{
                       "a callback of event 'on_model_save' failed: an exception that is no std::exception"});
}

TEST(Callbacks, RunOnRankZeroUnlessAllIsAsked) {
  Bus t;
  std::string order;
  t.add_callback(events::teardown, [&](BaseTrainer&) { order += '0'; });
  t.add_callback(events::teardown, [&](BaseTrainer&) { order += '*'; }, {.ranks = Ranks::all});
  t.announce(events::teardown, 1);
  EXPECT_EQ(order, "*");
  t.announce(events::teardown, 0);
  EXPECT_EQ(order, "*0*");
}

TEST(ScopedCallback, EndsWithItsScope) {
  Bus t;
  {
    ScopedCallback outer;
    {
      ScopedCallback guard(t, t.add_callback(events::teardown, [](BaseTrainer&) {}));
      outer = std::move(guard);
    }
    EXPECT_EQ(t.callback_count("teardown"), 1u);
  }
  EXPECT_EQ(t.callback_count("teardown"), 0u);
}

}  // namespace
}  // namespace boxcar
