"""Prediction: boxcar, the reference, and onnxruntime on the network that the reference exports."""

import re
import shutil
import sys

from data import dataset, images_of, repeated, weights
from marginal import SHORT, cost_of
from programs import HERE, REFERENCE, WORK, boxcar, reference, run
from report import gib, print_table, ratio_line, spread
from settings import stop


def predict(program, settings, model, folder, batch, name, imgsz):
    words = ["predict", f"model={model}", f"source={folder}", f"imgsz={imgsz}", f"batch={batch}", "save=False",
             f"project={WORK / 'runs'}", "name=predict", "exist_ok=True"]
    if program is reference:
        words.insert(0, "detect")
    return program(words, f"predict-{name}", settings)


def onnx_model(settings, model, batch, height, width):
    """The fused network as ONNX of one shape, exported by the reference once."""
    folder = WORK / "onnx" / f"{model.stem}-{model.stat().st_mtime_ns}-{batch}x{height}x{width}"
    file = folder / "model.onnx"
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(model, folder / "model.pt")
        run([REFERENCE, "export", f"model={folder / 'model.pt'}", "format=onnx", f"imgsz={height},{width}",
             f"batch={batch}", "device=cpu"], "export", settings)
    return file


def onnx_network(settings, file):
    """Milliseconds an image of the network alone in onnxruntime."""
    finished = run([sys.executable, HERE / "onnx_network.py", file, settings.thread_count], "onnxruntime", settings)
    return float(finished.find(r"([\d.]+) ms an image"))


def compare(settings):
    file = dataset(settings)
    images = images_of(file, ["val", "test"])
    count = (settings.number("images") or len(images)) // 8 * 8
    if count <= 2 * SHORT:
        stop(f"{count} images are too few: give images= above {2 * SHORT}")
    batches = (settings.batch or "1,8").split(",")
    for batch in batches:
        if batch not in ("1", "2", "4", "8"):
            stop(f"batch={batch}: predict takes 1, 2, 4 or 8 here, or several of them (batch=1,8)")
    model = weights(settings, file)
    folders = {n: repeated(images, n, WORK / "data" / f"predict-{n}") for n in [SHORT, count]}
    print(f"{count} images of {file.stem}'s val and test, nothing saved; time from JPEG file to boxes, a line printed "
          f"for each image, the time of {SHORT} images taken off as start-up. 'Network' is what each program prints "
          "as inference; of onnxruntime alone the median call.\n", flush=True)
    for batch in batches:
        compare_batch(settings, model, folders, count, int(batch))
    for n in folders:
        shutil.rmtree(WORK / "data" / f"predict-{n}")


def compare_batch(settings, model, folders, count, batch):
    def cost(program, weights_file, name, imgsz):
        short, long = (predict(program, settings, weights_file, folders[n], batch, name, imgsz) for n in [SHORT, count])
        return cost_of(short, long, count)

    square = f"{settings.imgsz}"
    first = predict(reference, settings, model, folders[SHORT], batch, "shape", square)
    height, width = (int(n) for n in first.find(r"at shape \(\d+, 3, (\d+), (\d+)\)"))
    exported = None if settings.isa else onnx_model(settings, model, batch, height, width)
    costs, network = {}, []
    for _ in range(settings.number("rounds")):
        costs.setdefault("boxcar", []).append(cost(boxcar, model, "boxcar", square))
        costs.setdefault("reference", []).append(cost(reference, model, "reference", square))
        if exported:
            costs.setdefault("reference with onnxruntime", []).append(
                cost(reference, exported, "onnx", f"{height},{width}"))
            network.append(onnx_network(settings, exported))
    print(f"batch {batch}, network input {height}x{width}:\n")
    rows = [[name, spread([c.milliseconds for c in cs]), spread([c.network for c in cs]),
             gib([c.peak_bytes for c in cs]), spread([c.busy for c in cs], 2), str(boxes_in(cs[0].output.output))]
            for name, cs in costs.items()]
    if network:
        rows.append(["onnxruntime alone", "", spread(network), "", "", ""])
    print_table(["", "ms an image", "network ms", "peak memory GiB", "cores busy", "boxes"], rows)
    pairs = list(zip(costs["boxcar"], costs["reference"]))
    ratio_line("reference / boxcar, time an image", [b.milliseconds / a.milliseconds for a, b in pairs])
    if network:
        ratio_line("onnxruntime / boxcar, network", [n / a.network for a, n in zip(costs["boxcar"], network)])
    else:
        print("onnxruntime has no switch for instruction sets, so it is left out here.\n")


def boxes_in(output):
    """Boxes found, from the line of each image: "image 3/72 ...: 480x640 2 WBCs, 11 RBCs, 8.1ms"."""
    lines = re.findall(r"^image \d+/\d+ .*: \d+x\d+ (.*)$", output, re.MULTILINE)
    return sum(int(n) for line in lines for n in re.findall(r"(\d+) [^,]+,", line))
