"""boxcar's validator against pycocotools, on the same predictions.

boxcar matches boxes as the reference does: where the network puts them, also beyond the picture's edge. predictions.json
holds them clipped to the picture, in both programs, and so does pycocotools see them. With many objects at the edge that
alone makes COCO's number higher. Hence the second run, on pictures with a grey margin, where nothing is clipped.
"""

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import yaml
from PIL import Image, ImageOps
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from data import images_of, label_of
from programs import WORK, fresh_folder

TOLERANCE = 0.005
MARGIN = 32  # pixels of the network's input; its stride, so that the size stays a multiple of it


def stop(text):
    sys.exit(f"coco-check: {text}")


def validate(words):
    """Runs `boxcar detect val` with the words; its mAP50, mAP50-95 (printed with three digits) and predictions."""
    folder = fresh_folder("coco-check")
    finished = subprocess.run([os.environ["BOXCAR"], "detect", "val", *words, "save_json=True", "plots=False",
                               f"save_dir={folder}"], stdout=subprocess.PIPE, text=True)
    if finished.returncode != 0:
        sys.exit(finished.returncode)
    rows = [line.split() for line in finished.stdout.splitlines() if line.split()[:1] == ["all"]]
    if not rows:
        stop("boxcar's output has no line of all classes")
    return float(rows[-1][-2]), float(rows[-1][-1]), json.loads((folder / "predictions.json").read_text())


def boxes_of(label_file, width, height):
    """(class, [x, y, w, h] in pixels) of each line; polygons by the box around them, a repeated line once."""
    if not label_file.is_file():
        return
    for line in dict.fromkeys(label_file.read_text().splitlines()):
        numbers = [float(word) for word in line.split()]
        if not numbers:
            continue
        if len(numbers) == 5:
            x, y, w, h = numbers[1:]
        else:
            xs, ys = numbers[1::2], numbers[2::2]
            x, y = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
            w, h = max(xs) - min(xs), max(ys) - min(ys)
        yield int(numbers[0]), [(x - w / 2) * width, (y - h / 2) * height, w * width, h * height]


def ground_truth(images, names):
    """COCO's annotations from YOLO labels, and the number of each file name."""
    numbers = {image.name: i for i, image in enumerate(images, start=1)}
    if len(numbers) != len(images):
        stop("two images of the split have the same file name, by which predictions.json knows them")
    annotations = []
    for image in images:
        width, height = ImageOps.exif_transpose(Image.open(image)).size
        for class_number, box in boxes_of(label_of(image), width, height):
            annotations.append({"id": len(annotations) + 1, "image_id": numbers[image.name], "iscrowd": 0,
                                "category_id": class_number + 1, "bbox": box, "area": box[2] * box[3]})
    truth = COCO()
    truth.dataset = {"images": [{"id": n} for n in numbers.values()], "annotations": annotations,
                     "categories": [{"id": i + 1, "name": names[i]} for i in range(len(names))]}
    truth.createIndex()
    return truth, numbers


def evaluate(truth, rows, most):
    """pycocotools' mAP50 and mAP50-95 over all areas, with the `most` best boxes of an image and class."""
    evaluation = COCOeval(truth, truth.loadRes(rows), "bbox")
    evaluation.params.maxDets = [most]
    evaluation.evaluate()
    evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, 0]  # IoU, recall, class
    return tuple(float(numpy.mean(p[p > -1])) for p in (precision[:1], precision))


def with_margin(images, names, imgsz):
    """A data set of the same pictures with a margin in the grey that the network's input is filled up with."""
    folder = WORK / "data" / "coco-margin"
    shutil.rmtree(folder, ignore_errors=True)
    for part in ["images", "labels"]:
        (folder / part).mkdir(parents=True)
    for i, image in enumerate(images):
        picture = ImageOps.exif_transpose(Image.open(image)).convert("RGB")
        margin = round(MARGIN * max(picture.size) / imgsz)
        wide = ImageOps.expand(picture, margin, (114, 114, 114))
        wide.save(folder / "images" / f"{i:06d}.jpg", quality=95)
        lines = []
        for class_number, (x, y, w, h) in boxes_of(label_of(image), *picture.size):
            centre = (x + w / 2 + margin) / wide.width, (y + h / 2 + margin) / wide.height
            numbers = [*centre, w / wide.width, h / wide.height]
            lines.append(" ".join([str(class_number), *(f"{n:.9f}" for n in numbers)]) + "\n")
        (folder / "labels" / f"{i:06d}.txt").write_text("".join(lines))
    file = folder / "data.yaml"
    file.write_text(yaml.safe_dump({"path": str(folder), "train": "images", "val": "images", "names": names}))
    return file


def compare(title, words, images, names):
    """Prints both programs' numbers; boxcar's mAP50-95 less pycocotools'."""
    ours50, ours, rows = validate(words)
    if not rows:
        stop("boxcar found no box at all, so there is nothing to compare; train longer")
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools tells each of its steps
        truth, numbers = ground_truth(images, names)
        rows = [{**row, "image_id": numbers[row["file_name"]]} for row in rows]
        theirs = {most: evaluate(truth, rows, most) for most in (100, 300)}
    print(f"{title}: {len(numbers)} images, {len(truth.anns)} labels, {len(rows)} predictions")
    print(f"{'':28}{'mAP50':>10}{'mAP50-95':>10}")
    print(f"{'boxcar':28}{ours50:10.4f}{ours:10.4f}")
    for most, (ap50, ap) in theirs.items():
        print(f"{f'pycocotools, {most} boxes':28}{ap50:10.4f}{ap:10.4f}")
    print(f"{'boxcar - pycocotools (100)':28}{ours50 - theirs[100][0]:+10.4f}{ours - theirs[100][1]:+10.4f}\n", flush=True)
    return ours - theirs[100][1]


def main(words):
    given = dict(word.split("=", 1) for word in words if "=" in word)
    if "data" not in given:
        stop("data= is missing: the file of the data set whose labels are the truth")
    file = Path(given["data"]).resolve()
    if not file.is_file():
        stop(f"data={given['data']}: there is no such file")
    imgsz = given.get("imgsz", "640")
    if not imgsz.isdigit() or int(imgsz) % 32:
        stop(f"imgsz={imgsz}: here it must be one multiple of 32")
    names = yaml.safe_load(file.read_text())["names"]
    names = names if isinstance(names, dict) else dict(enumerate(names))
    images = images_of(file, [given.get("split", "val")])

    compare("as they are, boxes clipped for pycocotools only", words, images, names)
    wide = with_margin(images, names, int(imgsz))
    others = [word for word in words if word.split("=")[0] not in ("data", "split", "imgsz")]
    difference = compare("with a grey margin, the same boxes for both",
                         [*others, f"data={wide}", f"imgsz={int(imgsz) + 2 * MARGIN}"], images_of(wide, ["val"]), names)
    if abs(difference) > TOLERANCE:
        stop(f"on the same boxes mAP50-95 differs by more than {TOLERANCE}")
    print(f"on the same boxes the two agree within {TOLERANCE}")


main(sys.argv[1:])
