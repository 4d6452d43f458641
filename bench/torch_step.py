"""Images a second of a training step in PyTorch: the yardstick of scripts/gpu-check, which runs it where torch is.

A network of YOLO11's layers, widths and depths, written from their description for this measurement: the same
convolutions at the same sizes, batch norm, SiLU, attention, and a loss that touches every output and as many anchors
as boxes would be assigned to. Channels last, bf16 autocast, SGD with Nesterov momentum. No data is loaded.

    python3 bench/torch_step.py --scale n --imgsz 640 --batch 64 --mode eager|compiled [--device cuda|cpu]

The last line printed is the number of images a second, by the median step.
"""

import argparse
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn

# scale: depth, width, most channels, C3k inside each C3k2
SCALES = {"n": (0.5, 0.25, 1024, False), "m": (0.5, 1.0, 512, True)}
CLASSES, BINS = 80, 16


def conv(c1, c2, k=1, s=1, g=1, act=True):
    layers = [nn.Conv2d(c1, c2, k, s, k // 2, groups=g, bias=False), nn.BatchNorm2d(c2, eps=1e-3, momentum=0.03)]
    return nn.Sequential(*layers, nn.SiLU(inplace=True)) if act else nn.Sequential(*layers)


class Residual(nn.Module):
    def __init__(self, c1, hidden):
        super().__init__()
        self.body = nn.Sequential(conv(c1, hidden, 3), conv(hidden, c1, 3))

    def forward(self, x):
        return x + self.body(x)


class Branch(nn.Module):
    """Two 1x1 branches, one of them with two residual blocks: C3k."""

    def __init__(self, c):
        super().__init__()
        half = c // 2
        self.left = nn.Sequential(conv(c, half), Residual(half, half), Residual(half, half))
        self.right, self.out = conv(c, half), conv(2 * half, c)

    def forward(self, x):
        return self.out(torch.cat((self.left(x), self.right(x)), 1))


class Split(nn.Module):
    """A 1x1 whose second half runs through blocks, all parts joined by another 1x1: C3k2, C2PSA."""

    def __init__(self, c1, c2, share, blocks, keep_all=True):
        super().__init__()
        self.hidden, self.keep_all = int(c2 * share), keep_all
        self.blocks = nn.ModuleList(blocks(self.hidden))
        parts = 2 + len(self.blocks) if keep_all else 2
        self.first, self.last = conv(c1, 2 * self.hidden), conv(parts * self.hidden, c2)

    def forward(self, x):
        parts = list(self.first(x).chunk(2, 1))
        for block in self.blocks:
            y = block(parts[-1])
            if self.keep_all:
                parts.append(y)
            else:
                parts[-1] = y
        return self.last(torch.cat(parts, 1))


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, self.size = max(c // 64, 1), c // max(c // 64, 1)
        self.key = self.size // 2
        self.qkv = conv(c, c + 2 * self.key * self.heads, act=False)
        self.position, self.out = conv(c, c, 3, g=c, act=False), conv(c, c, act=False)
        self.mlp = nn.Sequential(conv(c, 2 * c), conv(2 * c, c, act=False))

    def forward(self, x):
        n, c, h, w = x.shape
        q, k, v = self.qkv(x).view(n, self.heads, -1, h * w).split((self.key, self.key, self.size), 2)
        mixed = F.scaled_dot_product_attention(*(t.transpose(2, 3) for t in (q, k, v)))
        mixed = mixed.transpose(2, 3).reshape(n, c, h, w) + self.position(v.reshape(n, c, h, w))
        x = x + self.out(mixed)
        return x + self.mlp(x)


class Pyramid(nn.Module):
    """1x1, three pools in a row, all joined: SPPF."""

    def __init__(self, c):
        super().__init__()
        self.first, self.last = conv(c, c // 2), conv(2 * c, c)

    def forward(self, x):
        parts = [self.first(x)]
        for _ in range(3):
            parts.append(F.max_pool2d(parts[-1], 5, 1, 2))
        return self.last(torch.cat(parts, 1))


class Network(nn.Module):
    def __init__(self, scale):
        super().__init__()
        depth, width, most, deep = SCALES[scale]

        def wide(c):
            return int(-(-min(c, most) * width // 8) * 8)

        def block(c1, c2, c3k, share=0.5):
            repeat = max(round(2 * depth), 1)
            kind = Branch if c3k or deep else lambda c: Residual(c, c // 2)
            return Split(wide(c1), wide(c2), share, lambda c: [kind(c) for _ in range(repeat)])

        def down(c1, c2):
            return conv(wide(c1), wide(c2), 3, 2)

        repeat = max(round(2 * depth), 1)
        attention = Split(wide(1024), wide(1024), 0.5, lambda c: [Attention(c) for _ in range(repeat)], keep_all=False)
        self.stem = nn.Sequential(conv(3, wide(64), 3, 2), down(64, 128), block(128, 256, False, 0.25), down(256, 256))
        self.p3 = block(256, 512, False, 0.25)
        self.p4 = nn.Sequential(down(512, 512), block(512, 512, True))
        self.p5 = nn.Sequential(down(512, 1024), block(1024, 1024, True), Pyramid(wide(1024)), attention)
        c3, c4, c5 = wide(256), wide(512), wide(1024)

        def join(c1, c2, c3k=False):
            kind = Branch if c3k or deep else lambda c: Residual(c, c // 2)
            return Split(c1, c2, 0.5, lambda c: [kind(c) for _ in range(repeat)])

        self.up4, self.up3 = join(c5 + c4, c4), join(c4 + c4, c3)
        self.down4, self.join4 = conv(c3, c3, 3, 2), join(c3 + c4, c4)
        self.down5, self.join5 = conv(c4, c4, 3, 2), join(c4 + c5, c5, True)
        boxes, classes = max(16, c3 // 4, 4 * BINS), max(c3, min(CLASSES, 100))
        self.boxes = nn.ModuleList(
            nn.Sequential(conv(c, boxes, 3), conv(boxes, boxes, 3), nn.Conv2d(boxes, 4 * BINS, 1))
            for c in (c3, c4, c5))
        self.classes = nn.ModuleList(
            nn.Sequential(conv(c, c, 3, g=c), conv(c, classes), conv(classes, classes, 3, g=classes),
                          conv(classes, classes), nn.Conv2d(classes, CLASSES, 1)) for c in (c3, c4, c5))

    def forward(self, x):
        p3 = self.p3(self.stem(x))
        p4 = self.p4(p3)
        p5 = self.p5(p4)
        up4 = self.up4(torch.cat((F.interpolate(p5, scale_factor=2.0), p4), 1))
        up3 = self.up3(torch.cat((F.interpolate(up4, scale_factor=2.0), p3), 1))
        down4 = self.join4(torch.cat((self.down4(up3), up4), 1))
        down5 = self.join5(torch.cat((self.down5(down4), p5), 1))
        levels = (up3, down4, down5)
        maps = [torch.cat((box(x), cls(x)), 1).flatten(2) for box, cls, x in zip(self.boxes, self.classes, levels)]
        return torch.cat(maps, 2).transpose(1, 2)


def loss_of(out, anchors, bins, labels):
    """Class term over all anchors, distance and box terms over `anchors`, indices into the images' anchors."""
    out = out.float().flatten(0, 1)
    chosen = out[anchors]
    target = torch.zeros_like(out[:, 4 * BINS:])
    target[anchors, labels] = 0.7
    cls = F.binary_cross_entropy_with_logits(out[:, 4 * BINS:], target, reduction="sum")
    logits = chosen[:, :4 * BINS].reshape(-1, BINS)
    distance = F.cross_entropy(logits, bins, reduction="mean")
    sides = logits.softmax(1) @ torch.arange(BINS, dtype=torch.float32, device=out.device)
    box = (sides - bins.float()).abs().mean()
    return 0.5 * cls / max(len(anchors), 1) + 1.5 * distance + 7.5 * box


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=SCALES, default="n")
    parser.add_argument("--imgsz", type=int, default=640)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--mode", choices=("eager", "compiled"), default="eager")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--warm-up", type=int, default=20)
    args = parser.parse_args()

    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    device = torch.device(args.device)
    network = Network(args.scale).to(device, memory_format=torch.channels_last).train()
    print(f"torch {torch.__version__}, {sum(p.numel() for p in network.parameters())} parameters", flush=True)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9, nesterov=True, weight_decay=5e-4)
    run = torch.compile(network) if args.mode == "compiled" else network
    images = torch.rand(args.batch, 3, args.imgsz, args.imgsz, device=device).to(memory_format=torch.channels_last)
    count = args.batch * sum((args.imgsz // s) ** 2 for s in (8, 16, 32))
    anchors = torch.randperm(count, device=device)[:80 * args.batch]  # 8 boxes an image, 10 anchors a box
    bins = torch.randint(BINS, (4 * len(anchors),), device=device)
    labels = torch.randint(CLASSES, (len(anchors),), device=device)

    def step():
        with torch.autocast(device.type, torch.bfloat16):
            out = run(images)
        loss_of(out, anchors, bins, labels).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    def finish():
        if device.type == "cuda":
            torch.cuda.synchronize()

    for _ in range(args.warm_up):
        step()
    finish()
    seconds = []
    for _ in range(args.steps):
        begin = time.perf_counter()
        step()
        finish()
        seconds.append(time.perf_counter() - begin)
    print(f"{args.batch / statistics.median(seconds):.1f}")


if __name__ == "__main__":
    main()
