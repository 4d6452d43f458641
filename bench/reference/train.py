"""Training: images a second and peak memory, the programs taking turns."""

import csv
import statistics
from dataclasses import dataclass

from data import dataset
from programs import WORK, Finished, boxcar, fresh_folder, reference
from report import gib, print_table, ratio_line, spread
from settings import stop

PROGRAMS = {"boxcar": boxcar, "reference": reference}
IMAGES = {"boxcar": r"(\d+) train and \d+ val images", "reference": r"Using (\d+) train"}
WORKERS = {"boxcar": r"(\d+) loader workers", "reference": r"Using (\d+) dataloader workers"}


@dataclass
class Run:
    rate: float
    images: int
    workers: str
    cost: Finished


def epoch_seconds(file):
    """Seconds of the epochs without the first (start-up) and the last (it holds a validation)."""
    with open(file, newline="") as text:
        times = [float(row["time"]) for row in csv.DictReader(text)]
    if len(times) < 3:
        stop(f"{file} has {len(times)} epochs; a rate needs three: the first and the last do not count")
    return [b - a for a, b in zip(times, times[1:-1])]


def train_once(name, settings, file, workers, round_number):
    folder = fresh_folder(f"train-{name}-{round_number}")
    # close_mosaic=0: with few epochs the default would turn mosaic off from the start.
    words = ["train", f"model={settings.model}.yaml", f"data={file}", f"imgsz={settings.imgsz}",
             f"batch={settings.batch or 16}", f"epochs={settings.epochs}", f"amp={settings.dtype == 'bf16'}",
             "close_mosaic=0", "val=False", "save=False", "plots=False", f"project={folder.parent}",
             f"name={folder.name}"]
    if workers != "default":
        words.append(f"workers={workers}")
    cost = PROGRAMS[name](words, folder.name, settings)
    images = int(cost.find(IMAGES[name]))
    seconds = statistics.median(epoch_seconds(folder / "results.csv"))
    return Run(images / seconds, images, cost.find(WORKERS[name]), cost)


def compare(settings):
    file = dataset(settings)
    print(f"{file.relative_to(WORK) if file.is_relative_to(WORK) else file}, batch {settings.batch or 16}, "
          f"{settings.epochs} epochs with mosaic; images a second: median epoch without the first and the last, "
          "without validation, loading from files included.\n", flush=True)
    for workers in settings.workers.split(","):
        compare_with(settings, file, workers)


def compare_with(settings, file, workers):
    runs = {name: [] for name in PROGRAMS}
    for i in range(settings.number("rounds")):
        for name in PROGRAMS:
            runs[name].append(train_once(name, settings, file, workers, i))
    if len({run.images for of_program in runs.values() for run in of_program}) != 1:
        stop("the two programs trained on different numbers of images")
    print(f"workers={workers}, {runs['boxcar'][0].images} images an epoch:\n")
    print_table(["", "images/s", "peak memory GiB", "loader workers", "cores busy"],
                [[name, spread([r.rate for r in of_program]), gib([r.cost.peak_bytes for r in of_program]),
                  of_program[0].workers,
                  spread([r.cost.cpu_seconds / r.cost.seconds for r in of_program], 2)]
                 for name, of_program in runs.items()])
    pairs = list(zip(runs["boxcar"], runs["reference"]))
    ratio_line("boxcar / reference, images a second", [a.rate / b.rate for a, b in pairs])
    ratio_line("reference / boxcar, peak memory", [b.cost.peak_bytes / a.cost.peak_bytes for a, b in pairs])
