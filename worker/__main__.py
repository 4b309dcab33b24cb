"""`python -m worker`, and the console script `stream-audit`."""

from worker.cli import cli


def main() -> None:
    """Run the command line; exits with the command's code."""
    cli(prog_name="stream-audit")


if __name__ == "__main__":
    main()
