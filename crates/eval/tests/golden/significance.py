"""Writes significance.json beside this script: results of scipy for synthetic differences.

    python3 -m venv VENV && VENV/bin/pip install scipy==1.17.1
    VENV/bin/python crates/eval/tests/golden/significance.py

Holm's procedure is not in scipy, so it is written out here as the paper states it.
"""

import json
import pathlib

import numpy as np
from scipy import optimize, stats

HERE = pathlib.Path(__file__).parent
LEVEL, POWER = 0.05, 0.8


def mean_difference(a, b, axis=-1):
    return np.mean(a - b, axis=axis)


def pair(seed, n):
    """Values in hundredths, a third of them equal, `a` a little better."""
    draw = np.random.default_rng(seed)
    b = draw.integers(0, 90, n)
    shift = np.where(draw.random(n) < 1 / 3, 0, draw.normal(4, 15, n).round())
    a = np.clip(b + shift, 0, 100)
    return a / 100, b / 100


def detectable(n, deviation):
    """The mean that the t-test detects with exactly this power."""
    critical = stats.t.ppf(1 - LEVEL / 2, n - 1)

    def excess(mean):
        # A significant loss has a negligible probability at this gain.
        return stats.nct.sf(critical, n - 1, mean * np.sqrt(n) / deviation) - POWER

    return optimize.brentq(excess, deviation / np.sqrt(n), 6 * deviation / np.sqrt(n))


def comparison(seed, n):
    a, b = pair(seed, n)
    test = stats.permutation_test(
        (a, b), mean_difference, permutation_type="samples", vectorized=True,
        n_resamples=100_000, rng=np.random.default_rng(1),
    )
    interval = stats.bootstrap(
        (a - b,), np.mean, method="percentile", n_resamples=100_000,
        rng=np.random.default_rng(2),
    ).confidence_interval
    deviation = float(np.std(a - b, ddof=1))
    return {
        "a": a.tolist(),
        "b": b.tolist(),
        "p_value": float(test.pvalue),
        "is_exact": 2**n <= 100_000,
        "interval": [float(interval.low), float(interval.high)],
        "deviation": deviation,
        "detectable": detectable(n, deviation),
    }


def holm(p_values):
    m = len(p_values)
    order = sorted(range(m), key=lambda i: p_values[i])
    adjusted = [0.0] * m
    for k, i in enumerate(order):
        candidates = [(m - j) * p_values[order[j]] for j in range(k + 1)]
        adjusted[i] = min(1.0, max(candidates))
    return adjusted


def family(seed, m):
    p_values = (np.random.default_rng(seed).random(m) ** 3).round(6).tolist()
    return {"p_values": p_values, "adjusted": holm(p_values)}


quantiles = [
    {"p": p, "freedom": freedom, "t": float(stats.t.ppf(p, freedom))}
    for p in (0.6, 0.8, 0.9, 0.975, 0.995)
    for freedom in (1, 2, 3, 4, 5, 10, 29, 100, 999, 9999)
]
sizes = [6, 9, 12, 16, 40, 120]
golden = {
    "comparisons": [comparison(seed, n) for seed, n in enumerate(sizes)],
    "quantiles": quantiles,
    "families": [family(seed, m) for seed, m in [(1, 1), (2, 3), (3, 6), (4, 12)]],
}
text = json.dumps(golden)
(HERE / "significance.json").write_text(text + "\n")
