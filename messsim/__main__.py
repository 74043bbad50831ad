"""``python -m messsim``."""

from messsim.cli import main

main()
