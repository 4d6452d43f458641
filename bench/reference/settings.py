"""The key=value words of the command line."""

import os
import sys
from dataclasses import dataclass, field

DEFAULTS = {
    "model": "yolo11n",        # name of a built-in model
    "data": "",                # data-set file; empty: BCCD from BOXCAR_SHARED, else drawn shapes
    "imgsz": "640",
    "batch": "",               # empty: 16, and 1 then 8 for predict
    "epochs": "5",             # train: the first and the last are not counted
    "rounds": "3",             # how often the programs take turns
    "threads": "0",            # of both programs; 0: one a core
    "reference_threads": "same",  # or own: what the reference chooses by itself
    "dtype": "f32",            # or bf16
    "workers": "0,default",    # train: loader workers, one comparison each
    "isa": "",                 # avx2 or avx512: limit of both programs
    "images": "",              # val, predict: images of the long run; empty: val and test once
    "weights": "",             # val, predict: a .pt that both read; empty: the reference trains one, once
}
CHOICES = {"reference_threads": ("same", "own"), "dtype": ("f32", "bf16"), "isa": ("", "avx2", "avx512")}
COUNTS = {"imgsz": 32, "epochs": 3, "rounds": 1, "images": 0}


def stop(text):
    sys.exit(f"compare: {text}")


@dataclass
class Settings:
    """Values of DEFAULTS as attributes; other words go to the programs as they are."""

    values: dict
    both: list = field(default_factory=list)
    boxcar: list = field(default_factory=list)
    reference: list = field(default_factory=list)

    def __getattr__(self, name):
        return self.values[name]

    def number(self, name):
        text = self.values[name] or "0"
        least = COUNTS.get(name, 0)
        if not text.isdigit() or int(text) < least:
            stop(f"{name}={text} must be a whole number of at least {least}")
        return int(text)

    @property
    def thread_count(self):
        cores = len(os.sched_getaffinity(0))
        threads = self.number("threads") or cores
        if threads > cores:
            stop(f"threads={threads} is more than the {cores} cores there are")
        return threads


def parse(words):
    settings = Settings(dict(DEFAULTS))
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            stop(f"'{word}' is no key=value; bench/README.md lists the keys")
        if key in DEFAULTS:
            if key in CHOICES and value not in CHOICES[key]:
                stop(f"{key}={value} is not known; it may be {' or '.join(filter(None, CHOICES[key]))}")
            settings.values[key] = value
        elif key.startswith("boxcar."):
            settings.boxcar.append(word.removeprefix("boxcar."))
        elif key.startswith("reference."):
            settings.reference.append(word.removeprefix("reference."))
        else:
            settings.both.append(word)
    for name in COUNTS:
        settings.number(name)
    settings.thread_count
    return settings
