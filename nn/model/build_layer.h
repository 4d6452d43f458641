// From a worked-out row of a model file to the module it names.
#pragma once

#include "boxcar/nn/model/model_spec.h"
#include "boxcar/nn/modules/module.h"

namespace boxcar {

/// The layer of a row other than the head; a sequence where the row repeats it. `act` is the model's activation.
std::unique_ptr<nn::Layer> build_layer(nn::Module* parent, const std::string& name, const LayerSpec& row,
                                       kernels::Act act);

}  // namespace boxcar
