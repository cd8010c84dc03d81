"""What an expert would outline on the simulated images, whatever the tissue within."""

from __future__ import annotations

from enum import IntEnum


class Structure(IntEnum):
    """Values of the structure labels that are painted beside the tissues."""

    BACKGROUND = 0  # bony endplates, ligaments and cut muscles too
    VERTEBRA = 1  # body and posterior elements above the sacrum
    DISC = 2
    CANAL = 3  # the dural sac: cerebrospinal fluid, cord, roots
    SACRUM = 4  # S1 to S5 with what is left of the discs between them
