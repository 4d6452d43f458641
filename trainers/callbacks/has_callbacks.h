// The callback bus: functions of the user that a run calls at its events.
#pragma once

#include <concepts>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "boxcar/runtime/base/log.h"
#include "boxcar/trainers/callbacks/events.h"

namespace boxcar {

/// On which ranks of a distributed run a callback is called.
enum class Ranks { first, all };
/// What an exception from a callback does: end the run (it comes out of train() as itself) or become a warning.
enum class OnThrow { end_run, warn };

struct CallbackOptions {
  Ranks ranks = Ranks::first;
  OnThrow on_throw = OnThrow::end_run;
};

/// Names one subscription within one object. Dropping it does not unsubscribe; see ScopedCallback.
enum class CallbackId : unsigned {};

/// Base of trainer, validator, predictor, exporter and YOLO: a table of callbacks by event. Callbacks of an event are
/// called in the order in which they were added. Subscribing and running belong to one thread, the object's own; a
/// callback may add and remove callbacks, which takes effect from the next event on.
class HasCallbacks {
 public:
  /// Calls f(source) at every `event`; the compiler checks that f takes the event's object (S&).
  template <class S, std::invocable<S&> F>
  CallbackId add_callback(Event<S> event, F f, CallbackOptions o = {}) {
    return add(
        find_event(event.name).name, [f = std::move(f)](void* source) mutable { f(*static_cast<S*>(source)); }, o);
  }

  /// The same with the event as text. Throws ArgumentError for an unknown name (with the nearest ones), and when f
  /// does not take the object that this event comes from: "event 'on_val_end' calls with a BaseValidator&, ...".
  template <class F>
  CallbackId add_callback(std::string_view event, F f, CallbackOptions o = {}) {
    const EventName& known = find_event(event);
    static_assert(takes_any_source<F>(), "a callback takes BaseTrainer&, BaseValidator&, BasePredictor& or Exporter&");
    CallbackId id{};
    const bool added = add_if<BaseTrainer>(known, f, o, id) || add_if<BaseValidator>(known, f, o, id) ||
                       add_if<BasePredictor>(known, f, o, id) || add_if<Exporter>(known, f, o, id);
    if (!added) refuse_argument(known);
    return id;
  }

  /// Forgets one subscription; nothing happens if it is gone already.
  void remove_callback(CallbackId id);
  /// Forgets every callback of an event. Throws ArgumentError for an unknown name.
  void clear_callback(std::string_view event);
  /// Forgets all callbacks.
  void reset_callbacks();

  /// Number of callbacks of an event. Throws ArgumentError for an unknown name.
  std::size_t callback_count(std::string_view event) const;

  /// Replaces this object's table by a copy of another's: a run starts from the callbacks of its facade, and what
  /// either adds later does not reach the other. A callable with state is shared, not cloned.
  void copy_callbacks_from(const HasCallbacks& other);
  /// Adds them behind this object's own instead.
  void add_callbacks_from(const HasCallbacks& other);

 protected:
  HasCallbacks() = default;
  ~HasCallbacks() = default;
  // A copy would announce events twice; copy_callbacks_from() says what is meant.
  HasCallbacks(const HasCallbacks&) = delete;
  HasCallbacks& operator=(const HasCallbacks&) = delete;

  /// Calls the callbacks of `event` on `source`. On ranks other than 0 only those added with Ranks::all. An exception
  /// leaves as itself after the log named the event (so that a message like "file not found" can be placed), and the
  /// remaining callbacks are not called; with OnThrow::warn it becomes a warning and they are.
  template <class S>
  void run_callbacks(Event<S> event, std::type_identity_t<S>& source, const Log& log = {}, int rank = 0) {
    run(event.name, static_cast<void*>(&source), log, rank);
  }

 private:
  struct Entry {
    CallbackId id;
    // Takes the address of the event's own source type; shared so that a running list survives changes.
    std::shared_ptr<std::function<void(void*)>> call;
    CallbackOptions options;
  };

  template <class F>
  static constexpr bool takes_any_source() {
    return std::invocable<F&, BaseTrainer&> || std::invocable<F&, BaseValidator&> ||
           std::invocable<F&, BasePredictor&> || std::invocable<F&, Exporter&>;
  }
  template <class S, class F>
  bool add_if(const EventName& event, F& f, CallbackOptions o, CallbackId& id) {
    if constexpr (std::invocable<F&, S&>) {
      if (event.source != source_kind<S>()) return false;
      id = add_callback(Event<S>{event.name}, std::move(f), o);
      return true;
    }
    return false;
  }

  CallbackId add(std::string_view event, std::function<void(void*)> call, CallbackOptions options);
  void run(std::string_view event, void* source, const Log& log, int rank);
  [[noreturn]] static void refuse_argument(const EventName& event);

  std::map<std::string_view, std::vector<Entry>> table_;  // keys are names of all_events()
  unsigned next_id_ = 1;
};

/// Unsubscribes at the end of its scope. The object must outlive it.
class [[nodiscard]] ScopedCallback {
 public:
  ScopedCallback() = default;
  /// ScopedCallback guard(trainer, trainer.add_callback(...)).
  ScopedCallback(HasCallbacks& owner, CallbackId id) : owner_(&owner), id_(id) {}
  ScopedCallback(ScopedCallback&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)), id_(other.id_) {}
  ScopedCallback& operator=(ScopedCallback&& other) noexcept {
    if (this != &other) {
      reset();
      owner_ = std::exchange(other.owner_, nullptr);
      id_ = other.id_;
    }
    return *this;
  }
  ~ScopedCallback() { reset(); }

  /// Unsubscribes now.
  void reset() noexcept;

 private:
  HasCallbacks* owner_ = nullptr;
  CallbackId id_{};
};

}  // namespace boxcar
