"""Starting the two programs on equal terms, and what a run of one cost."""

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from settings import stop

HERE = Path(__file__).resolve().parent
WORK = HERE.parents[1] / "build" / "compare"
# The reference's command line lies beside the interpreter that runs this.
REFERENCE = Path(sys.executable).with_name("yolo")
COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")

ISA = {
    "avx2": {"BOXCAR_MAX_ISA": "avx2", "DNNL_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2",
             "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "avx512": {"BOXCAR_MAX_ISA": "avx512", "DNNL_MAX_CPU_ISA": "AVX512_CORE", "ATEN_CPU_CAPABILITY": "avx512"},
    "": {},
}


@dataclass
class Finished:
    seconds: float      # from start to end
    cpu_seconds: float  # of all its threads and processes
    peak_bytes: int     # largest resident size; of the largest process where there are several
    output: str         # both streams, without colours

    def find(self, pattern):
        """The groups of the last match in the output."""
        found = re.findall(pattern, self.output)
        if not found:
            stop(f"the output has nothing like '{pattern}':\n{self.output[-2000:]}")
        return found[-1]


def environment_of(settings):
    """Variables for both programs. The reference writes settings into its own folder and stays off the network."""
    env = dict(os.environ)
    env.update(ISA[settings.isa])
    env.update({"YOLO_CONFIG_DIR": str(WORK / "settings"), "YOLO_OFFLINE": "True", "YOLO_AUTOINSTALL": "False"})
    if settings.reference_threads == "same":
        env["COMPARE_THREADS"] = env["OMP_NUM_THREADS"] = str(settings.thread_count)
        env["PYTHONPATH"] = str(HERE / "same_threads")
    return env


def run(words, name, settings):
    """Runs a program on the first `threads` cores; its output also goes to build/compare/logs/NAME.log."""
    log = WORK / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    cores = sorted(os.sched_getaffinity(0))[: settings.thread_count]
    start = time.monotonic()
    with open(log, "wb") as out:
        child = subprocess.Popen([str(w) for w in words], stdout=out, stderr=subprocess.STDOUT, cwd=WORK,
                                 stdin=subprocess.DEVNULL, env=environment_of(settings),
                                 preexec_fn=lambda: os.sched_setaffinity(0, cores))
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:  # interrupted: leave nothing running
            child.kill()
            child.wait()
            raise
    seconds = time.monotonic() - start
    output = COLOURS.sub("", log.read_text(errors="replace"))
    if status != 0:
        stop(f"{Path(words[0]).name} failed, see {log}; its last lines:\n{output[-1500:]}")
    return Finished(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, output)


def boxcar(words, name, settings):
    threads = f"threads={settings.thread_count}"
    return run([os.environ["BOXCAR"], "detect", *words, threads, *settings.both, *settings.boxcar], name, settings)


def reference(words, name, settings):
    return run([REFERENCE, *words, "device=cpu", *settings.both, *settings.reference], name, settings)


def fresh_folder(name):
    folder = WORK / "runs" / name
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def silence_reference(settings):
    """No reports to anybody: the reference's own switches, in its own settings file."""
    switches = ["sync", "clearml", "comet", "dvc", "mlflow", "raytune", "tensorboard", "wandb", "vscode_msg"]
    run([REFERENCE, "settings", *[f"{s}=False" for s in switches]], "settings", settings)
