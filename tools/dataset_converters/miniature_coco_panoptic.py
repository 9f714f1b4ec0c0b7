"""Command of declip_mm.miniature.converters.coco_panoptic."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the clone

from declip_mm.miniature.converters.coco_panoptic import main

if __name__ == '__main__':
    sys.exit(main())
