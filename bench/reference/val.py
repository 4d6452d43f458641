"""Validation: time an image, and whether both find the same mAP."""

import shutil

import yaml

from data import dataset, images_of, repeated, weights
from marginal import SHORT, cost_of
from programs import WORK, boxcar, fresh_folder, reference
from report import gib, print_table, ratio_line, spread
from settings import stop

PROGRAMS = {"boxcar": (boxcar, []), "reference": (reference, ["detect"])}


def data_of(images, count, name, names):
    """A data-set file whose val split is `count` of the images."""
    folder = WORK / "data" / name
    repeated(images, count, folder, labels=True)
    file = folder / "data.yaml"
    file.write_text(yaml.safe_dump({"path": str(folder), "train": "images", "val": "images", "names": names}))
    return file


def validate(name, settings, model, file):
    program, first = PROGRAMS[name]
    folder = fresh_folder(f"val-{name}")
    batch = settings.batch or 16
    words = [*first, "val", f"model={model}", f"data={file}", f"imgsz={settings.imgsz}", f"batch={batch}", "workers=0",
             "plots=False", f"project={folder.parent}", f"name={folder.name}"]
    return program(words, folder.name, settings)


def compare(settings):
    file = dataset(settings)
    names = yaml.safe_load(file.read_text())["names"]
    images = images_of(file, ["val", "test"])
    count = settings.number("images") or len(images)
    if count <= 2 * SHORT:
        stop(f"{count} images are too few: give images= above {2 * SHORT}")
    model = weights(settings, file)
    files = {n: data_of(images, n, f"val-{n}", names) for n in [SHORT, count]}
    print(f"{count} images of {file.stem}'s val and test, batch {settings.batch or 16}, workers=0; time from file to "
          f"matched boxes, the time of {SHORT} images taken off as start-up.\n", flush=True)
    for n in files:  # label caches of the reference
        validate("reference", settings, model, files[n])
    costs = {name: [] for name in PROGRAMS}
    for _ in range(settings.number("rounds")):
        for name in PROGRAMS:
            short, long = (validate(name, settings, model, files[n]) for n in [SHORT, count])
            costs[name].append(cost_of(short, long, count))
    print_table(["", "ms an image", "network ms", "peak memory GiB", "cores busy", "mAP50", "mAP50-95"],
                [[name, spread([c.milliseconds for c in cs]), spread([c.network for c in cs]),
                  gib([c.peak_bytes for c in cs]), spread([c.busy for c in cs], 2),
                  *cs[0].output.find(r"\n +all +\d+ +\d+ +[\d.e-]+ +[\d.e-]+ +([\d.e-]+) +([\d.e-]+)")]
                 for name, cs in costs.items()])
    ratio_line("reference / boxcar, time an image",
               [b.milliseconds / a.milliseconds for a, b in zip(costs["boxcar"], costs["reference"])])
    for n in files:
        shutil.rmtree(WORK / "data" / f"val-{n}")
