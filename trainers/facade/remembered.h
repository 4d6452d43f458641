// What a model file still knows of the run that made it.
#pragma once

#include <filesystem>

#include "boxcar/trainers/args/overrides.h"

namespace boxcar {

/// imgsz, single_cls and data of the training run, of a checkpoint of boxcar's or the reference's; data only if that
/// file still exists. Empty for other files. Throws IoError for a .pt file that cannot be read.
Overrides remembered_settings(const std::filesystem::path& model);

}  // namespace boxcar
