"""Time of one image more: a long run less a short one, so that starting the program does not count."""

from dataclasses import dataclass

from settings import stop

SHORT = 16  # images of the short run


@dataclass
class Cost:
    milliseconds: float  # an image, from file to result
    network: float       # of these the network, as the program itself prints it
    busy: float          # cores
    peak_bytes: int
    output: object       # of the long run


def cost_of(short, long, images):
    """Two Finished runs; the long one had `images`."""
    seconds = long.seconds - short.seconds
    if seconds <= 0:
        stop(f"{images} images took no longer than {SHORT}: give images= a larger number, on a machine that is not busy")
    network = float(long.find(r"Speed: .*?([\d.]+)ms inference"))
    return Cost(1000 * seconds / (images - SHORT), network, (long.cpu_seconds - short.cpu_seconds) / seconds,
                long.peak_bytes, long)
