#include "boxcar/runtime/device/graph.h"

#include "boxcar/runtime/device/backend.h"
#include "boxcar/runtime/device/stream.h"

namespace boxcar {

Graph::Graph(std::unique_ptr<GraphBackend> backend, std::shared_ptr<void> memory)
    : memory_(std::move(memory)), backend_(std::move(backend)) {}
Graph::~Graph() = default;
Graph::Graph(Graph&&) noexcept = default;
Graph& Graph::operator=(Graph&&) noexcept = default;

void Graph::launch(Stream& stream) { backend_->launch(stream.backend()); }
int Graph::kernels() const { return backend_->kernels(); }

}  // namespace boxcar
