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
  /// `memory`: what its launches use, kept as long as it.
  explicit Graph(std::unique_ptr<GraphBackend> backend, std::shared_ptr<void> memory = nullptr);
  ~Graph();
  Graph(Graph&&) noexcept;
  Graph& operator=(Graph&&) noexcept;

  /// In stream order.
  void launch(Stream& stream);
  /// Number of kernels in one launch.
  int kernels() const;

 private:
  std::shared_ptr<void> memory_;
  std::unique_ptr<GraphBackend> backend_;
};

}  // namespace boxcar
