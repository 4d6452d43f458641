"""onnx_network.py FILE THREADS: median milliseconds an image of an ONNX network in onnxruntime, on random input."""

import statistics
import sys
import time

import numpy
import onnxruntime


def main(file, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    (network_input,) = session.get_inputs()
    images = numpy.random.default_rng(0).random(network_input.shape, dtype=numpy.float32)
    times = []
    for _ in range(60):
        start = time.perf_counter()
        session.run(None, {network_input.name: images})
        times.append(time.perf_counter() - start)
    print(f"{1000 * statistics.median(times[10:]) / len(images):.2f} ms an image")


main(sys.argv[1], int(sys.argv[2]))
