"""``python -m messsim``."""

import sys

import messsim
from messsim.errors import NotBuilt

try:
    from messsim.cli import main

    main()
except ModuleNotFoundError:
    try:
        _ = messsim._core  # a Python without it was never given what messsim needs: that is told first
    except NotBuilt as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    raise
