"""Python runs this when it starts, where this folder is in PYTHONPATH.

On the CPU the reference sets its framework to one thread fewer than there are cores. Here that number is held at
COMPARE_THREADS, in the process that computes; loader processes keep the single thread that they ask for.
"""

import os
import sys

if os.path.basename(sys.argv[0]) == "yolo":
    import torch

    _main, _set = os.getpid(), torch.set_num_threads
    _set(int(os.environ["COMPARE_THREADS"]))
    torch.set_num_threads = lambda count: None if os.getpid() == _main else _set(count)
