"""``python -m declip_mm`` is ``declip``."""

import sys

from .cli.main import main

if __name__ == '__main__':
    sys.exit(main())
