"""Pictures of what a backbone does."""

from .affinity import affinity_map, patch_of
from .sheet import SheetRow, draw_sheet

__all__ = ['SheetRow', 'affinity_map', 'draw_sheet', 'patch_of']
