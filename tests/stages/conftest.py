"""One thread per test process: tiny networks gain nothing from more, and lose much."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # noqa: TID251 - before torch is loaded
