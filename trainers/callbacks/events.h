// The moments of a run that a callback can be attached to.
#pragma once

#include <span>
#include <string_view>
#include <type_traits>

namespace boxcar {

class BaseTrainer;
class BaseValidator;
class BasePredictor;
class Exporter;

/// An event by name, with the type of the object that announces it and that its callbacks take by reference.
template <class Source>
struct Event {
  std::string_view name;
};

/// Which kind of object announces an event.
enum class SourceKind { trainer, validator, predictor, exporter };

template <class Source>
constexpr SourceKind source_kind() {
  if constexpr (std::is_same_v<Source, BaseTrainer>)
    return SourceKind::trainer;
  else if constexpr (std::is_same_v<Source, BaseValidator>)
    return SourceKind::validator;
  else if constexpr (std::is_same_v<Source, BasePredictor>)
    return SourceKind::predictor;
  else {
    static_assert(std::is_same_v<Source, Exporter>, "events come from trainers, validators, predictors and exporters");
    return SourceKind::exporter;
  }
}

namespace events {

// ---- training, in the order in which a run announces them
/// Arguments are fixed and the run folder exists; no data or model yet.
inline constexpr Event<BaseTrainer> on_pretrain_routine_start{"on_pretrain_routine_start"};
/// Model, data, optimizer and validator are ready.
inline constexpr Event<BaseTrainer> on_pretrain_routine_end{"on_pretrain_routine_end"};
inline constexpr Event<BaseTrainer> on_train_start{"on_train_start"};
inline constexpr Event<BaseTrainer> on_train_epoch_start{"on_train_epoch_start"};
inline constexpr Event<BaseTrainer> on_train_batch_start{"on_train_batch_start"};
/// Just before the optimizer changes the weights.
inline constexpr Event<BaseTrainer> optimizer_step{"optimizer_step"};
/// Just before the gradients are cleared.
inline constexpr Event<BaseTrainer> on_before_zero_grad{"on_before_zero_grad"};
/// After a step changed the weights (and their average).
inline constexpr Event<BaseTrainer> on_params_update{"on_params_update"};
inline constexpr Event<BaseTrainer> on_train_batch_end{"on_train_batch_end"};
/// All batches of the epoch are done; validation and checkpoints are still to come.
inline constexpr Event<BaseTrainer> on_train_epoch_end{"on_train_epoch_end"};
/// The checkpoints of this epoch are written.
inline constexpr Event<BaseTrainer> on_model_save{"on_model_save"};
/// The epoch is complete; once more, with epoch() one higher, after the final validation.
inline constexpr Event<BaseTrainer> on_fit_epoch_end{"on_fit_epoch_end"};
inline constexpr Event<BaseTrainer> on_train_end{"on_train_end"};
/// The last one of every run, also of one that failed.
inline constexpr Event<BaseTrainer> teardown{"teardown"};

// ---- validation, within training or alone
inline constexpr Event<BaseValidator> on_val_start{"on_val_start"};
inline constexpr Event<BaseValidator> on_val_batch_start{"on_val_batch_start"};
inline constexpr Event<BaseValidator> on_val_batch_end{"on_val_batch_end"};
inline constexpr Event<BaseValidator> on_val_end{"on_val_end"};

// ---- prediction
inline constexpr Event<BasePredictor> on_predict_start{"on_predict_start"};
inline constexpr Event<BasePredictor> on_predict_batch_start{"on_predict_batch_start"};
/// Detections of the batch are final, nothing of them is written yet.
inline constexpr Event<BasePredictor> on_predict_postprocess_end{"on_predict_postprocess_end"};
inline constexpr Event<BasePredictor> on_predict_batch_end{"on_predict_batch_end"};
inline constexpr Event<BasePredictor> on_predict_end{"on_predict_end"};

// ---- export
inline constexpr Event<Exporter> on_export_start{"on_export_start"};
inline constexpr Event<Exporter> on_export_end{"on_export_end"};

}  // namespace events

/// Name and source of an event known by text.
struct EventName {
  std::string_view name;
  SourceKind source;
};

/// All 25 events.
std::span<const EventName> all_events();

/// The event called `name`. Throws ArgumentError: "unknown event 'on_train_ende', did you mean on_train_end?".
const EventName& find_event(std::string_view name);

}  // namespace boxcar
