"""Data sets and weights that both programs read. The reference writes caches beside labels, so it gets a copy."""

import os
import shutil
import subprocess
from pathlib import Path

import yaml

from programs import REFERENCE, WORK, fresh_folder, run
from settings import stop

IMAGES = {".jpg", ".jpeg", ".png", ".bmp"}


def dataset(settings):
    """The data-set file: data=, else a copy of BCCD from BOXCAR_SHARED, else drawn shapes."""
    if settings.data:
        file = Path(settings.data).resolve()
        return file if file.is_file() else stop(f"data={settings.data}: there is no such file")
    bccd = Path(os.environ.get("BOXCAR_SHARED", WORK.parents[2] / "shared")) / "data" / "bccd"
    folder = WORK / "data" / ("bccd" if bccd.is_dir() else "shapes")
    file = folder / ("bccd.yaml" if bccd.is_dir() else "data.yaml")
    if file.is_file():
        return file
    folder.parent.mkdir(parents=True, exist_ok=True)
    if bccd.is_dir():
        # File by file, so that read-only sources give writable folders.
        for source in filter(Path.is_file, bccd.rglob("*")):
            target = folder / source.relative_to(bccd)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    else:
        subprocess.run([os.environ["BOXCAR"], "data", "shapes", f"target={folder}", "images=300", "imgsz=640"], check=True,
                       stdout=subprocess.DEVNULL)
    return file


def images_of(file, splits):
    """Image files of the splits that the data-set file has, in order of name."""
    config = yaml.safe_load(file.read_text())
    root = file.parent / (config.get("path") or "")
    found = []
    for split in splits:
        entries = config.get(split) or []
        for entry in [entries] if isinstance(entries, str) else entries:
            found += images_at(root / entry)
    if not found:
        stop(f"{file} names no images for {' and '.join(splits)}")
    return found


def images_at(place):
    if place.is_dir():
        return sorted(p for p in place.rglob("*") if p.suffix.lower() in IMAGES)
    if not place.is_file():
        stop(f"{place} is neither a folder nor a list of images")
    lines = [line.strip() for line in place.read_text().splitlines() if line.strip()]
    return [place.parent / line for line in lines]


def label_of(image):
    """images/a.jpg -> labels/a.txt, by the last folder called images."""
    head, folder, tail = str(image).rpartition("/images/")
    return Path(f"{head}/labels/{tail}").with_suffix(".txt") if folder else image.with_suffix(".txt")


def repeated(images, count, folder, labels=False):
    """A folder with `count` copies of the images, taken in turn, under names of their own; with labels beside them."""
    shutil.rmtree(folder, ignore_errors=True)
    for part in ["images", "labels"]:
        (folder / part).mkdir(parents=True)
    for i in range(count):
        image = images[i % len(images)]
        shutil.copyfile(image, folder / "images" / f"{i:06d}{image.suffix}")
        if labels and label_of(image).is_file():
            shutil.copyfile(label_of(image), folder / "labels" / f"{i:06d}.txt")
    return folder / "images"


def weights(settings, file):
    """A .pt that both programs read: weights=, else the reference trains one (for 15 epochs at 320), once."""
    if settings.weights:
        path = Path(settings.weights).resolve()
        return path if path.is_file() else stop(f"weights={settings.weights}: there is no such file")
    target = WORK / "weights" / f"{settings.model}-{file.stem}.pt"
    if not target.is_file():
        print(f"training {target.name} with the reference, once", flush=True)
        folder = fresh_folder("weights")
        run([REFERENCE, "detect", "train", f"model={settings.model}.yaml", f"data={file}", "imgsz=320", "epochs=15",
             "nbs=16", "workers=0", "val=False", "plots=False", "device=cpu", f"project={folder.parent}",
             f"name={folder.name}"], "weights", settings)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / "weights" / "last.pt", target)
    return target
