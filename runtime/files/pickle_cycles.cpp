#include "boxcar/runtime/files/pickle_cycles.h"

#include <algorithm>
#include <vector>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/pickle_reader.h"

namespace boxcar {
namespace {

/// Depth first with a stack of its own. Open are the values from the root to the present one: meeting one of them
/// again closes a cycle.
class CycleCutter {
 public:
  std::unordered_set<const void*> run(PickleValue& root) {
    enter(root);
    while (!path_.empty()) {
      if (path_.back().children.empty()) {
        open_.erase(path_.back().value.identity());
        path_.pop_back();
        continue;
      }
      PickleValue* child = path_.back().children.back();
      path_.back().children.pop_back();
      enter(*child);
    }
    return std::move(visited_);
  }

 private:
  struct Level {
    PickleValue value;
    std::vector<PickleValue*> children;  // still to be visited, the next one last
  };

  void enter(PickleValue& value) {
    if (!value.identity()) return;
    if (!visited_.insert(value.identity()).second) {
      if (open_.contains(value.identity())) value = PickleValue::cycle();
      return;
    }
    if (path_.size() == kLargestPickleDepth) {
      fail<IoError>("the pickle is nested too deeply: more than {} levels", kLargestPickleDepth);
    }
    open_.insert(value.identity());
    path_.push_back({value, children_of(value)});
  }

  static std::vector<PickleValue*> children_of(PickleValue& value) {
    std::vector<PickleValue*> children;
    value.for_each_child([&](PickleValue& child) {
      if (child.identity()) children.push_back(&child);
    });
    std::reverse(children.begin(), children.end());
    return children;
  }

  std::vector<Level> path_;
  std::unordered_set<const void*> visited_, open_;
};

}  // namespace

std::unordered_set<const void*> cut_cycles(PickleValue& root) { return CycleCutter().run(root); }

}  // namespace boxcar
