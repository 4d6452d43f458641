"""bench/compare, once its environment is there."""

import signal
import sys

import predict
import train
import val
from programs import silence_reference
from report import print_header
from settings import parse


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    mode, words = sys.argv[1], sys.argv[2:]
    settings = parse(words)
    silence_reference(settings)
    print_header(mode, settings)
    {"train": train, "val": val, "predict": predict}[mode].compare(settings)


main()
