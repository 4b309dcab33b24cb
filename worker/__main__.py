"""`python -m worker`, and the console script `stream-audit`."""

import sys
from types import TracebackType

from worker.cli import cli


def show_safely(kind: type[BaseException], problem: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback; an exception's text may come from outside."""
    import traceback

    from worker.cli.printable import printable_block

    text = "".join(traceback.format_exception(kind, problem, trace))
    print(printable_block(text.rstrip("\n")), file=sys.stderr, flush=True)


def main() -> None:
    """Run the command line; exits with the command's code. What a terminal's encoding lacks is printed as escapes."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.excepthook = show_safely
    cli(prog_name="stream-audit")


if __name__ == "__main__":
    main()
