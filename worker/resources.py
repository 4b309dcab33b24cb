"""What ships beside the code as files: the rules and the contracts.

`worker/schemas` is a link to the checkout's `schemas/`. A wheel and an sdist hold the files themselves.
"""

from importlib.resources import files
from pathlib import Path

_PACKAGE = Path(str(files("worker")))

POLICIES_DIR = _PACKAGE / "policies"
SCHEMAS_DIR = _PACKAGE / "schemas"
