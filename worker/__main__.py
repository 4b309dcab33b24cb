"""`python -m worker`, and the console script `stream-audit`."""

import sys

from worker.cli import cli


def main() -> None:
    """Run the command line; exits with the command's code. What a terminal's encoding lacks is printed as escapes."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    cli(prog_name="stream-audit")


if __name__ == "__main__":
    main()
