"""Command of declip_mm.miniature.ov_dquo."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the clone

from declip_mm.miniature.ov_dquo import main

if __name__ == '__main__':
    sys.exit(main())
