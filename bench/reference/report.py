"""What is printed: Markdown, so that it can go into a document as it is."""

import os
import statistics
import subprocess
from importlib.metadata import version


def print_header(mode, settings):
    own = subprocess.run([os.environ["BOXCAR"], "version"], capture_output=True, text=True, check=True).stdout.strip()
    packages = ", ".join(f"{name} {version(name)}" for name in ["ultralytics", "torch", "onnxruntime"])
    limit = f", limited to {settings.isa}" if settings.isa else ""
    extra = " ".join(settings.both + [f"boxcar.{w}" for w in settings.boxcar] +
                     [f"reference.{w}" for w in settings.reference])
    print(f"## {mode}: {settings.model}, imgsz={settings.imgsz}, {settings.dtype}{limit}\n")
    print(f"{cpu_name()}, {settings.thread_count} of {os.cpu_count()} cores; boxcar {own}, {packages}.")
    if settings.reference_threads == "own":
        print("The reference chooses its number of threads itself.")
    if extra:
        print(f"Further arguments: {extra}.")
    print(f"Load of the machine before the first run: {os.getloadavg()[0]:.1f} (above 0.5 the figures say little).\n",
          flush=True)


def cpu_name():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return os.uname().machine


def print_table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("| " + " | ".join("---" for _ in head) + " |")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)


def spread(values, digits=1):
    """Median, and the smallest and largest of several."""
    text = f"{statistics.median(values):.{digits}f}"
    return text if len(values) == 1 else f"{text} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def gib(sizes):
    return f"{max(sizes) / 2**30:.2f}"


def ratio_line(what, ratios):
    print(f"{what}: **{spread(ratios, 2)}**, round by round.\n", flush=True)
