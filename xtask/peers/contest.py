"""How a peer speaks with `cargo xtask bench`: a line of JSON for every line on stdin.

To be imported before the libraries: what they print must not be taken for an answer.
"""

import json
import logging
import os
import sys
import warnings

ANSWERS = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)


def serve(ready, requests):
    """Says `ready`, then answers each request by what its function returns."""
    _answer(ready)
    for line in sys.stdin:
        name = line.strip()
        if name not in requests:
            sys.exit(f"no such request: {name!r}")
        _answer(requests[name]())


def _answer(value):
    print(json.dumps(value), file=ANSWERS, flush=True)
