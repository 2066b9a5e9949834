"""``python -m slae_lib`` is the command ``slae``."""

from slae_lib.cli import main

main(prog_name="slae")
