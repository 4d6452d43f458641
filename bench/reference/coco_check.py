"""boxcar's validator against pycocotools, on the same predictions.

boxcar's table matches boxes as the reference does: where the network puts them, also beyond the picture's edge.
predictions.json holds them clipped to the picture, in both programs, and so does pycocotools see them. With many objects
at the edge that alone makes COCO's number higher. Hence boxcar prints a second number, COCO's own rules on the clipped
boxes: that one has to be pycocotools'.
"""

import contextlib
import io
import json
import os
import re
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


def stop(text):
    sys.exit(f"coco-check: {text}")


def validate(words):
    """Runs `boxcar detect val` with the words; mAP50 and mAP50-95 of its table (three digits) and by COCO's rules, and
    the predictions."""
    folder = fresh_folder("coco-check")
    finished = subprocess.run([os.environ["BOXCAR"], "detect", "val", *words, "save_json=True", "plots=False",
                               f"save_dir={folder}"], stdout=subprocess.PIPE, text=True)
    if finished.returncode != 0:
        sys.exit(finished.returncode)
    rows = [line.split() for line in finished.stdout.splitlines() if line.split()[:1] == ["all"]]
    if not rows:
        stop("boxcar's output has no line of all classes")
    table = float(rows[-1][-2]), float(rows[-1][-1])
    by_coco = re.search(r"by COCO's rules: mAP50 (-?[0-9.]+), mAP50-95 (-?[0-9.]+)", finished.stdout)
    if not by_coco:
        stop("boxcar's output has no line of COCO's rules")
    return table, tuple(map(float, by_coco.groups())), json.loads((folder / "predictions.json").read_text())


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


def compare(words, images, names):
    """Prints the numbers of both programs; by COCO's rules, boxcar's mAP50-95 less pycocotools'."""
    table, by_coco, rows = validate(words)
    if not rows:
        stop("boxcar found no box at all, so there is nothing to compare; train longer")
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools tells each of its steps
        truth, numbers = ground_truth(images, names)
        rows = [{**row, "image_id": numbers[row["file_name"]]} for row in rows]
        theirs = {most: evaluate(truth, rows, most) for most in (100, 300)}
    print(f"{len(numbers)} images, {len(truth.anns)} labels, {len(rows)} predictions")
    print(f"{'':34}{'mAP50':>10}{'mAP50-95':>10}")
    print(f"{'boxcar, table (not clipped)':34}{table[0]:10.4f}{table[1]:10.4f}")
    print(f"{'boxcar, COCO rules, 100 boxes':34}{by_coco[0]:10.4f}{by_coco[1]:10.4f}")
    for most, (ap50, ap) in theirs.items():
        print(f"{f'pycocotools, {most} boxes':34}{ap50:10.4f}{ap:10.4f}")
    return by_coco[1] - theirs[100][1]


def main(words):
    given = dict(word.split("=", 1) for word in words if "=" in word)
    if "data" not in given:
        stop("data= is missing: the file of the data set whose labels are the truth")
    file = Path(given["data"]).resolve()
    if not file.is_file():
        stop(f"data={given['data']}: there is no such file")
    names = yaml.safe_load(file.read_text())["names"]
    names = names if isinstance(names, dict) else dict(enumerate(names))
    difference = compare(words, images_of(file, [given.get("split", "val")]), names)
    if abs(difference) > TOLERANCE:
        stop(f"by the same rules mAP50-95 differs by {difference:+.4f}, more than {TOLERANCE}")
    print(f"by the same rules the two differ by {difference:+.4f}, at most {TOLERANCE}")


main(sys.argv[1:])
