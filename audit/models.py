"""Django's index of the app's tables; each room owns its own."""

from audit.log.models import (
    Acknowledged,
    Checkpoint,
    Entry,
    Leaf,
    SequencerSeen,
    Tile,
    TreeState,
    Verified,
)
from audit.publication.models import Publication
from audit.retention.models import Erasure, Hold
from audit.saved.models import SavedView
from audit.vault.models import Content

__all__ = [
    "Acknowledged",
    "Checkpoint",
    "Content",
    "Entry",
    "Erasure",
    "Hold",
    "Leaf",
    "Publication",
    "SavedView",
    "SequencerSeen",
    "Tile",
    "TreeState",
    "Verified",
]
