"""``python -m smrt_jupyter``: the same as ``smrt-jupyter``."""

import sys

from smrt_jupyter.cli import main

if __name__ == "__main__":
    sys.exit(main())
