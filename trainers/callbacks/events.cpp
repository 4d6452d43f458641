#include "boxcar/trainers/callbacks/events.h"

#include <algorithm>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/quote.h"
#include "boxcar/trainers/args/similar.h"

namespace boxcar {
namespace {

template <class Source>
constexpr EventName named(Event<Source> event) {
  return {event.name, source_kind<Source>()};
}

constexpr EventName kEvents[] = {
    named(events::on_pretrain_routine_start),
    named(events::on_pretrain_routine_end),
    named(events::on_train_start),
    named(events::on_train_epoch_start),
    named(events::on_train_batch_start),
    named(events::optimizer_step),
    named(events::on_before_zero_grad),
    named(events::on_params_update),
    named(events::on_train_batch_end),
    named(events::on_train_epoch_end),
    named(events::on_model_save),
    named(events::on_fit_epoch_end),
    named(events::on_train_end),
    named(events::teardown),
    named(events::on_val_start),
    named(events::on_val_batch_start),
    named(events::on_val_batch_end),
    named(events::on_val_end),
    named(events::on_predict_start),
    named(events::on_predict_batch_start),
    named(events::on_predict_postprocess_end),
    named(events::on_predict_batch_end),
    named(events::on_predict_end),
    named(events::on_export_start),
    named(events::on_export_end),
};

}  // namespace

std::span<const EventName> all_events() { return kEvents; }

const EventName& find_event(std::string_view name) {
  const auto* found = std::ranges::find(kEvents, name, &EventName::name);
  if (found != std::end(kEvents)) return *found;
  std::vector<std::string> names;
  for (const EventName& event : kEvents) names.emplace_back(event.name);
  fail<ArgumentError>("unknown event {}{}", quote(name), did_you_mean(nearest_words(name, names)));
}

}  // namespace boxcar
