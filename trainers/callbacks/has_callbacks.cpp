#include "boxcar/trainers/callbacks/has_callbacks.h"

#include <exception>

#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace {

std::string_view type_name(SourceKind source) {
  switch (source) {
    case SourceKind::trainer:
      return "BaseTrainer&";
    case SourceKind::validator:
      return "BaseValidator&";
    case SourceKind::predictor:
      return "BasePredictor&";
    case SourceKind::exporter:
      return "Exporter&";
  }
  return "";
}

/// The message of the exception being handled.
std::string current_message() {
  try {
    throw;
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "an exception that is no std::exception";
  }
}

}  // namespace

CallbackId HasCallbacks::add(std::string_view event, std::function<void(void*)> call, CallbackOptions options) {
  const CallbackId id{next_id_++};
  table_[event].push_back({id, std::make_shared<std::function<void(void*)>>(std::move(call)), options});
  return id;
}

void HasCallbacks::remove_callback(CallbackId id) {
  for (auto& [event, entries] : table_) std::erase_if(entries, [&](const Entry& e) { return e.id == id; });
}

void HasCallbacks::clear_callback(std::string_view event) { table_.erase(find_event(event).name); }

void HasCallbacks::reset_callbacks() { table_.clear(); }

std::size_t HasCallbacks::callback_count(std::string_view event) const {
  const auto it = table_.find(find_event(event).name);
  return it == table_.end() ? 0 : it->second.size();
}

void HasCallbacks::copy_callbacks_from(const HasCallbacks& other) {
  table_ = other.table_;
  // Ids stay valid in the copy and later ones do not meet them.
  next_id_ = std::max(next_id_, other.next_id_);
}

void HasCallbacks::add_callbacks_from(const HasCallbacks& other) {
  if (&other == this) return;
  for (const auto& [event, entries] : other.table_) {
    for (Entry entry : entries) {
      entry.id = CallbackId{next_id_++};
      table_[event].push_back(std::move(entry));
    }
  }
}

void HasCallbacks::run(std::string_view event, void* source, const Log& log, int rank) {
  const auto it = table_.find(event);
  if (it == table_.end()) return;
  const std::vector<Entry> entries = it->second;  // a callback may change the table
  for (const Entry& entry : entries) {
    if (rank != 0 && entry.options.ranks == Ranks::first) continue;
    try {
      (*entry.call)(source);
    } catch (...) {
      const bool goes_on = entry.options.on_throw == OnThrow::warn;
      log.warning("a callback of event '{}' failed{}: {}", event, goes_on ? "" : ", which ends the run",
                  current_message());
      if (!goes_on) throw;
    }
  }
}

void HasCallbacks::refuse_argument(const EventName& event) {
  fail<ArgumentError>("event '{}' calls with a {}, which this callback does not take", event.name,
                      type_name(event.source));
}

void ScopedCallback::reset() noexcept {
  if (owner_) std::exchange(owner_, nullptr)->remove_callback(id_);
}

}  // namespace boxcar
