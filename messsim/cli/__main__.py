"""``python -m messsim.cli``."""

from . import main

main()
