// Task-aligned assignment on a GPU, for the ops that need it; for .cu files only.
//
// Nothing is read back, and all sizes follow from the shapes: 24 bytes a place (an anchor of an image), the decoded box
// among them, and 32 a row of the table of targets. Who holds an anchor is written at its place, so that no list of
// claims grows with objects * topk.
#pragma once

#include "boxcar/kernels/assign/assign_math.h"
#include "boxcar/kernels/assign/image_assigner.h"
#include "boxcar/kernels/common/launch.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels::cuda {

/// The anchors of all images, numbered level by level, image by image, row by row: place i of a level is row i of its
/// maps.
struct AnchorPlaces {
  AnchorGrid grid{};
  int images = 0;

  struct Anchor {
    int image;
    AnchorPoint point;
  };
  BOXCAR_HD std::int64_t count() const { return images * grid.count(); }
  BOXCAR_HD std::int64_t first_of(int level) const { return images * grid.levels()[level].first; }
  BOXCAR_HD std::int64_t place(int image, int level, int cell) const {
    return first_of(level) + image * grid.levels()[level].cells() + cell;
  }
  BOXCAR_HD int level_of(std::int64_t place) const {
    int l = 0;
    while (l + 1 < grid.levels().size() && place >= first_of(l + 1)) ++l;
    return l;
  }
  BOXCAR_HD Anchor anchor(std::int64_t place) const {
    const int level = level_of(place);
    const auto row = static_cast<unsigned>(place - first_of(level));
    const auto cells = static_cast<unsigned>(grid.levels()[level].cells());
    return {static_cast<int>(row / cells), grid.point(level, static_cast<int>(row % cells))};
  }
};

/// One pointer a level, e.g. to its map.
template <class T>
struct LevelPointers {
  T* level[kMaxLevels] = {};
};

/// Predictions as raw logits and decoded boxes in cells [place][4].
struct RawPredictions {
  const float* boxes;
  LevelPointers<const float> logits;
  int classes;
};

/// Predictions in the order [image][anchor]: boxes [..][4] in pixels, probabilities [..][classes].
struct TablePredictions {
  const float *boxes, *probabilities;
  int classes;
};

/// The table of targets, [rows][6]: image, class, box.
struct TargetTable {
  const float* rows;
  int count;
  bool normalised;  // centre, width, height as fractions; else corners in pixels
};

/// The result, and what leads to it.
struct Assignment {
  GroundTruth* truths;   // [rows], sorted by image and, within one, in the order of the table
  std::int32_t* image;   // [rows], of each truth
  std::int32_t* first;   // [images + 1], the first truth of each image
  unsigned* tops;        // [rows][2], bits of the largest metric and overlap among what a truth holds
  std::int32_t* bad;     // [1], rows of the table whose image or class is out of range
  std::int32_t* holder;  // [places], the truth that holds it, or -1
  float* score;          // [places], its soft target score; undefined where nobody holds it
  double* sums;          // partial sums of scores
  double* norm;          // [1], max(1, sum of all scores)
};

/// The memory of an Assignment, of bounded size, from the stream's pool.
class AssignmentMemory {
 public:
  AssignmentMemory(Stream& stream, const AnchorPlaces& places, int rows);
  const Assignment& tables() const { return tables_; }

 private:
  Tensor truths_, holder_, score_, numbers_, doubles_;
  Assignment tables_;
};

/// Fills the tables: 4 kernels, one more where topk2 differs from topk. A row of the targets whose image or class is
/// out of range takes no part and makes the norm NaN, for the host does not see it.
void assign_anchors(Stream& stream, const AnchorPlaces& places, const TargetTable& targets,
                    const AssignOptions& options, const RawPredictions& predictions, const Assignment& tables);
void assign_anchors(Stream& stream, const AnchorPlaces& places, const TargetTable& targets,
                    const AssignOptions& options, const TablePredictions& predictions, const Assignment& tables);

}  // namespace boxcar::kernels::cuda
