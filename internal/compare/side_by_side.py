#!/usr/bin/env python3
"""Times this repository's detectors and PyOD side by side on one core and prints the ratios as a Markdown table.

    pip install pyod==3.6.7 scikit-learn==1.9.1
    python3 internal/compare/side_by_side.py [--columns 4 20] [--rows 500 2000]

Both sides fit rows of three mixed autoregressive factors with noise, standardised, with default parameters (LOF and
HBOS strict where that matters). A batch is 2000 rows in one call of decision_function, divided by 2000; single is one
row per call, as a stream without batching needs it. Here every score is a single one. Both sides report the least
processor time of their repeats.
"""
import argparse
import os
import re
import subprocess
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402: after the numbers of threads
from pyod.models.hbos import HBOS  # noqa: E402
from pyod.models.iforest import IForest  # noqa: E402
from pyod.models.knn import KNN  # noqa: E402
from pyod.models.lof import LOF  # noqa: E402

CLASSES = {"iforest": IForest, "lof": LOF, "hbos": HBOS, "knn": KNN}
BATCH = 2000


def rows(n, d):
    rng = np.random.default_rng(7)
    factors = np.zeros((n, 3))
    for i in range(1, n):
        factors[i] = 0.95 * factors[i - 1] + np.sqrt(1 - 0.95**2) * rng.normal(size=3)
    x = factors @ rng.normal(size=(3, d)) + 0.3 * rng.normal(size=(n, d))
    return (x - x.mean(0)) / x.std(0)


def seconds(f, repeats):
    """The least processor time of some calls: noise only ever adds."""
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        f()
        best = min(best, time.process_time() - start)
    return best


def ours(name, d, n):
    """Nanoseconds of a score and of a fit."""
    pattern = "^Benchmark(Score|Fit)$/^%s$/^d=%d$/^n=%d$/^ar$" % (name, d, n)
    command = ["go", "test", "-run", "^$", "-bench", pattern, "-benchtime", "200ms", "-count", "2", "-cpu", "1", "./detectors"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return tuple(min(float(v) for v in re.findall(r"Benchmark%s/\S+.*?([\d.]+) least-ns/op" % kind, text)) for kind in ("Score", "Fit"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--columns", type=int, nargs="+", default=[4, 20])
    parser.add_argument("--rows", type=int, nargs="+", default=[500, 2000])
    args = parser.parse_args()
    print("| detector | columns | rows | score, us | PyOD batched, us | ratio | PyOD single, us | ratio | fit, ms | PyOD fit, ms | ratio |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for name, cls in CLASSES.items():
        for d in args.columns:
            for n in args.rows:
                x = rows(n + BATCH, d)
                train, queries = x[:n], x[n:]
                fit = seconds(lambda: cls().fit(train), 10)
                model = cls().fit(train)
                batched = seconds(lambda: model.decision_function(queries), 20) / BATCH
                single = seconds(lambda: model.decision_function(queries[:1]), 100)
                score_ns, fit_ns = ours(name, d, n)
                score = score_ns / 1e9
                print("| %s | %d | %d | %.3g | %.3g | %.1f | %.0f | %.0f | %.3g | %.3g | %.1f |" % (
                    name, d, n, score * 1e6, batched * 1e6, batched / score, single * 1e6, single / score, fit_ns / 1e6, fit * 1e3, fit * 1e9 / fit_ns), flush=True)


if __name__ == "__main__":
    main()
