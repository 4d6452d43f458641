// A stream's recorded work, issued again as a whole.
#pragma once

#include <memory>

namespace boxcar {

class GraphBackend;
class Stream;

/// Made by Stream::end_capture(). Pointers and other arguments are those of the recording:
/// what changes between launches must lie in memory that the kernels read.
class Graph {
 public:
  explicit Graph(std::unique_ptr<GraphBackend> backend);
  ~Graph();
  Graph(Graph&&) noexcept;
  Graph& operator=(Graph&&) noexcept;

  /// In stream order.
  void launch(Stream& stream);
  /// Number of kernels in one launch.
  int kernels() const;

 private:
  std::unique_ptr<GraphBackend> backend_;
};

}  // namespace boxcar
