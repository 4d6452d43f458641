// A training step takes no memory once its shape is known. A program of its own: it replaces operator new.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <new>
#include <vector>

#include "boxcar/kernels/common/instruction_set.h"
#include "boxcar/trainers/detect/detection_trainer.h"
#include "support/folder.h"
#include "support/tiny_dataset.h"

namespace {

// Nodes of the tape, handles of tensors and arguments of the convolution library are small; what grows with the images,
// the channels or the objects is not.
constexpr std::size_t kLarge = 4096;
std::atomic<bool> counting{false};
std::atomic<int> large_allocations{0};

void* allocated(std::size_t bytes, std::size_t alignment) {
  if (counting && bytes >= kLarge) ++large_allocations;
  void* data = nullptr;
  if (posix_memalign(&data, std::max(alignment, sizeof(void*)), bytes) != 0) throw std::bad_alloc();
  return data;
}

}  // namespace

void* operator new(std::size_t bytes) { return allocated(bytes, __STDCPP_DEFAULT_NEW_ALIGNMENT__); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return operator new(bytes); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return allocated(bytes, static_cast<std::size_t>(alignment));
}
// Not inlined: the compiler would take the pairs of new and free for a mistake.
[[gnu::noinline]] void operator delete(void* data) noexcept { std::free(data); }
[[gnu::noinline]] void operator delete(void* data, std::size_t) noexcept { std::free(data); }
[[gnu::noinline]] void operator delete(void* data, std::align_val_t) noexcept { std::free(data); }
[[gnu::noinline]] void operator delete(void* data, std::size_t, std::align_val_t) noexcept { std::free(data); }

namespace boxcar {
namespace {

/// Gives each batch a number of objects of its own and counts what its step allocates.
class CountingTrainer final : public DetectionTrainer {
 public:
  struct Step {
    int large = 0;                  // blocks of kLarge bytes or more from operator new
    std::uint64_t from_system = 0;  // segments that the pool took
  };

  explicit CountingTrainer(const Overrides& overrides) : DetectionTrainer(overrides) {
    add_callback(events::on_train_batch_start, [this](BaseTrainer&) { begin_step(); });
    add_callback(events::on_train_batch_end, [this](BaseTrainer&) { end_step(); });
  }

  const std::vector<Step>& steps() const { return steps_; }

 protected:
  void preprocess_batch(Batch& batch) override {
    constexpr std::array kObjects{20, 200, 0, 400, 150, 300};
    counting = false;
    std::vector<float> rows;
    for (int i = 0; i < kObjects.at(steps_.size()); ++i) {
      const float place = 0.2f + 0.6f * static_cast<float>(i % 17) / 17.0f;
      rows.insert(rows.end(), {static_cast<float>(i % 2), 0.0f, place, 1.0f - place, 0.3f, 0.2f});
    }
    batch.targets = Tensor::from(stream(), {1, 1, static_cast<int>(rows.size() / 6), 6}, rows);
    counting = true;
  }

 private:
  void begin_step() {
    segments_before_ = stream().pool()->stats().system_allocations;
    large_allocations = 0;
    counting = true;
  }
  void end_step() {
    counting = false;
    steps_.push_back({large_allocations, stream().pool()->stats().system_allocations - segments_before_});
  }

  std::uint64_t segments_before_ = 0;
  std::vector<Step> steps_;
};

struct Arithmetic {
  bool bf16;
  const char* optimizer;
};

class TrainingStep : public testing::TestWithParam<Arithmetic> {};

TEST_P(TrainingStep, AllocatesNothingLargeFromTheSecondOfAShapeOn) {
  if (GetParam().bf16 && !kernels::cpu_has_bf16()) GTEST_SKIP() << "this CPU has no bf16 instructions";
  const test::Folder folder;
  CountingTrainer trainer({{"model", "yolo11n.yaml"},
                           {"data", test::make_tiny_dataset(folder.path() / "tinyds").string()},
                           {"epochs", 3},
                           {"batch", 2},
                           {"nbs", 2},  // an optimizer step a batch
                           {"imgsz", 64},
                           {"workers", 0},
                           {"amp", GetParam().bf16 ? "bf16" : "fp32"},
                           {"optimizer", GetParam().optimizer},
                           {"plots", false},
                           {"val", false},
                           {"project", (folder.path() / "runs").string()}});
  trainer.train();
  ASSERT_EQ(trainer.steps().size(), 6u);
  EXPECT_GT(trainer.steps()[0].large, 0) << "nothing was counted";
  const MemoryStats pool = trainer.stream().pool()->stats();
  const bool keeps_blocks = pool.reserved_bytes > pool.live_bytes;  // not under AddressSanitizer
  for (std::size_t i = 1; i < 6; ++i) {
    EXPECT_EQ(trainer.steps()[i].large, 0) << "step " << i;
    if (keeps_blocks) {
      EXPECT_EQ(trainer.steps()[i].from_system, 0u) << "step " << i;
    }
  }
}

std::string name_of(const testing::TestParamInfo<Arithmetic>& test) {
  return std::string(test.param.optimizer) + (test.param.bf16 ? "Bf16" : "F32");
}

INSTANTIATE_TEST_SUITE_P(Arithmetic, TrainingStep,
                         testing::Values(Arithmetic{false, "SGD"}, Arithmetic{true, "AdamW"},
                                         Arithmetic{false, "MuSGD"}),
                         name_of);

}  // namespace
}  // namespace boxcar
