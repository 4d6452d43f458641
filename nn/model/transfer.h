// Loading weights into a network that they were not made for, such as 80-class weights into a network for 3 classes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "boxcar/nn/modules/detect.h"
#include "boxcar/runtime/files/host_tensor.h"

namespace boxcar {

/// The class lists of both sides; empty where unknown.
struct TransferOptions {
  std::vector<std::string> source_names{};  // of the weights
  std::vector<std::string> target_names{};  // of the network
  bool remap_classes = true;                // carry rows of the class head over by name where the lists differ
};

/// What became of a network's class head, whose rows (weight and bias of cv3.i.2) stand for classes.
struct ClassHead {
  int classes = 0;         // of the network
  int source_classes = 0;  // of the weights; 0: they have no such head
  int carried = 0;         // classes whose rows came from the weights, at every level
  bool by_name = false;    // row by row, else as they are
};

struct Transfer {
  std::vector<std::string> taken;  // tensors of the network with values of the weights, at least in part
  std::size_t tensors = 0;         // of the network
  std::optional<ClassHead> head;   // of the last Detect head; nothing in a network without one

  /// "493 of 499 tensors from yolo11n.pt, class head new (80 -> 3)".
  std::string text(const std::string& source) const;
};

/// Gives the network each tensor of `weights` whose name and shape agree, before or after its values have a place.
/// Three things are done beyond that:
/// 1. Class branches get the width that those of the weights have (fit_class_branches).
/// 2. Where both sides name their classes and the lists differ, the rows of the class head are carried over by name
///    (compared trimmed, ASCII letters in lower case); rows of other classes keep their initial values. With
///    remap_classes = false they are tensors like any other.
/// 3. The first convolution (model.0.conv) may read images of another number of channels: the filter planes that both
///    have are copied; a network for one channel gets the sum of all planes.
/// Throws ModelError for tensors of integers where the network has floating numbers.
Transfer transfer(nn::Module& network, const NamedTensors& weights, const TransferOptions& options, Stream& stream);

/// The width of the class branches depends on the number of classes a network was first made for. Makes those of each
/// Detect head anew with the width that the head of the same name in `weights` has, if its levels read as many
/// channels. A head whose values have their place already stays as it is.
void fit_class_branches(nn::Module& network, const NamedTensors& weights);

/// The width of the class branches of the head called `name` ("model.23") in `weights`; nothing where there is no such
/// head, its levels do not read `channels`, or its branches are of the other kind (DetectSettings::legacy).
std::optional<int> class_width_of(const NamedTensors& weights, const std::string& name,
                                  const std::vector<int>& channels, bool legacy);

/// Whether the names say nothing: "0", "1", ..., or no names at all.
bool are_placeholders(const std::vector<std::string>& names);

}  // namespace boxcar
