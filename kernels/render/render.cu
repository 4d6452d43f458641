#include "boxcar/kernels/common/device_vector.h"
#include "boxcar/kernels/render/render.h"
#include "boxcar/kernels/render/render_math.h"

namespace boxcar::kernels::cuda {
namespace {

constexpr int kLanes = 32, kWarps = 8, kRowsPerWarp = 4;

/// HsvReciprocals looked up: two divisions of integers would be a fifth of a pixel's instructions.
struct ReciprocalTable {
  int values[256] = {}, ranges[256] = {};
  constexpr ReciprocalTable() {
    for (int i = 0; i < 256; ++i) {
      values[i] = HsvReciprocals().of_value(i);
      ranges[i] = HsvReciprocals().of_range(i);
    }
  }
  BOXCAR_HD int of_value(int v) const { return values[v]; }
  BOXCAR_HD int of_range(int d) const { return ranges[d]; }
};
__device__ constexpr ReciprocalTable kReciprocals;

/// Whether some or all of the pixels (x, y) to (x + 1, y + 1) are the tile's.
BOXCAR_HD bool touches(const Tile& t, int x, int y) { return x + 1 >= t.x1 && x < t.x2 && y + 1 >= t.y1 && y < t.y2; }
BOXCAR_HD bool holds(const Tile& t, int x, int y) { return x >= t.x1 && x + 1 < t.x2 && y >= t.y1 && y + 1 < t.y2; }

/// The pixels of PlainSampler. The last tile that the four neighbours touch is looked for once; mostly it holds them
/// all, and then they are read from its image at once.
struct TileSampler {
  const SourceImage* images;

  BOXCAR_HD Bgr operator()(const Picture& p, int x, int y, std::uint8_t fill) const {
    const CanvasPoint at = map_to_canvas(p, x, y);
    if (!is_near(at.x) || !is_near(at.y)) return {fill, fill, fill};
    const int left = floor_int(at.x), top = floor_int(at.y);
    int i = p.tile_count - 1;
    while (i >= 0 && !touches(p.tiles[i], left, top)) --i;
    if (i < 0) return {fill, fill, fill};
    const Tile& tile = p.tiles[i];
    if (!holds(tile, left, top)) return sample_canvas(p, images, at, fill);
    const SourceImage& image = images[tile.source];
    const int row_bytes = 3 * image.width;  // images have less than 2^31 bytes
    const std::uint8_t* upper = image.pixels + ((top - tile.dy) * row_bytes + 3 * (left - tile.dx));
    const std::uint8_t* lower = upper + row_bytes;
    const float fx = at.x - static_cast<float>(left), fy = at.y - static_cast<float>(top);
    return {bilinear_byte(upper[0], upper[3], lower[0], lower[3], fx, fy),
            bilinear_byte(upper[1], upper[4], lower[1], lower[4], fx, fy),
            bilinear_byte(upper[2], upper[5], lower[2], lower[5], fx, fy)};
  }
};

BOXCAR_DEVICE void convert(unsigned byte, std::uint8_t& to) { to = static_cast<std::uint8_t>(byte); }
/// As images_to_float().
template <class T>
BOXCAR_DEVICE void convert(unsigned byte, T& to) {
  to = static_cast<T>(static_cast<float>(byte) / 255.0f);
}

/// Four bytes, the first lowest, to four elements with one access.
BOXCAR_DEVICE void store_four(unsigned bytes, std::uint8_t* to) { *reinterpret_cast<unsigned*>(to) = bytes; }
template <class T>
BOXCAR_DEVICE void store_four(unsigned bytes, T* to) {
  float v[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) convert(bytes >> (8 * i) & 255u, v[i]);
  store_vector(to, v);
}

/// Writes the first `count` of a warp's pixels, three bytes a lane, side by side. All lanes call it.
template <class T>
BOXCAR_DEVICE void store_pixels(unsigned pixel, int count, bool fours, T* to) {
  const int lane = static_cast<int>(threadIdx.x);
  if (!fours) {
    if (lane >= count) return;
#pragma unroll
    for (int c = 0; c < 3; ++c) convert(pixel >> (8 * c) & 255u, to[3 * lane + c]);
    return;
  }
  // Lane l writes elements 4 l to 4 l + 3, which are of pixel 4 l / 3 and the next: 24 lanes, one access each.
  const int first = 4 * lane / 3;
  const std::uint64_t low = __shfl_sync(0xffffffffu, pixel, first % kLanes);
  const std::uint64_t high = __shfl_sync(0xffffffffu, pixel, (first + 1) % kLanes);
  const auto bytes = static_cast<unsigned>((high << 24 | low) >> (8 * (4 * lane % 3)));
  if (4 * lane < 3 * count) store_four(bytes, to + 4 * lane);
}

// A warp owns 32 neighbouring pixels of four output rows, a block those of eight warps, one below the other;
// blockIdx.z is the picture. The arithmetic is render_math.h's, compiled without fused multiply-add: the CPU's bits.
template <class T>
__global__ void __launch_bounds__(kLanes* kWarps, 4)
    render_kernel(const RenderPlan* __restrict__ plans, const SourceImage* __restrict__ images, T* __restrict__ out,
                  int height, int width, bool fours) {
  const RenderPlan& plan = plans[blockIdx.z];
  const int first = static_cast<int>(blockIdx.x) * kLanes;
  const int x =
      min(first + static_cast<int>(threadIdx.x), width - 1);  // a lane beyond the row keeps the others company
#pragma unroll 1
  for (int k = 0; k < kRowsPerWarp; ++k) {
    const int y = (static_cast<int>(blockIdx.y) * kRowsPerWarp + k) * kWarps + static_cast<int>(threadIdx.y);
    if (y >= height) return;
    std::uint8_t bytes[3];
    render_pixel(plan, TileSampler{images}, x, y, kReciprocals, bytes);
    const std::int64_t row = std::int64_t{blockIdx.z} * height + y;
    store_pixels(bytes[0] | unsigned{bytes[1]} << 8 | unsigned{bytes[2]} << 16, min(width - first, kLanes), fours,
                 out + 3 * (row * width + first));
  }
}

template <class T>
void render_as(Stream& stream, const RenderArgs& args) {
  const TensorView& out = args.out;
  const auto blocks = [](int items, int each) { return static_cast<unsigned>((items + each - 1) / each); };
  const Grid grid{dim3(blocks(out.w, kLanes), blocks(out.h, kWarps * kRowsPerWarp), static_cast<unsigned>(out.n)),
                  dim3(kLanes, kWarps)};
  // Rows start at a multiple of four elements, and the tensor does.
  const bool fours = out.w % 4 == 0 && reinterpret_cast<std::uintptr_t>(out.data) % (4 * sizeof(T)) == 0;
  launch("render", render_kernel<T>, grid, stream, args.plans.data(), args.images.data(), out.as<T>(), out.h, out.w,
         fours);
}

}  // namespace

void render(Stream& stream, const RenderArgs& args) {
  if (args.out.dtype == DType::kU8) return render_as<std::uint8_t>(stream, args);
  with_device_type("render", args.out.dtype, [&]<class T>(T) { render_as<T>(stream, args); });
}

}  // namespace boxcar::kernels::cuda
