// Everything: <boxcar/boxcar.h>. Each part also has a header of its own.
#pragma once

#include "boxcar/nn/autograd/ops/ops.h"
#include "boxcar/nn/model/register_module.h"
#include "boxcar/nn/modules/linear.h"
#include "boxcar/trainers/cli/program.h"
#include "boxcar/trainers/detect/detection_predictor.h"
#include "boxcar/trainers/detect/detection_trainer.h"
#include "boxcar/trainers/detect/detection_validator.h"
#include "boxcar/trainers/facade/yolo.h"
