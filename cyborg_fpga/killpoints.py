"""Named points at which tests kill a process with SIGKILL.

Every step between two of them must be repeatable or recoverable; the kill
tests walk these lists.
"""

import os
import signal

#: Set to the name of one point in the environment of the process to kill.
VARIABLE = 'CYBORG_FPGA_KILL_AT'

#: The agent's, in the order in which one operation meets them. A wipe has no
#: ``fetched`` and no ``verified``, whatever it loads again.
AGENT = (
    'accepted',
    'fetched',
    'verified',
    'begun',
    'journalled_programming',
    'programmed_before_journal',
    'journalled_programmed',
    'read_back',
    'journalled_done',
    'delivered',
)

#: The conductor's, of a claim and of its release.
CONDUCTOR = (
    'claim_reserved',
    'claim_allocated',
    'claim_operation_committed',
    'claim_sent',
    'claim_confirmed_before_answer',
    'release_marked',
    'release_wipe_committed',
    'release_wiped',
    'release_allocation_deleted',
    'release_freed',
)

#: The conductor's, when it tells Placement of a host.
PLACEMENT = ('placement_untold', 'placement_told')

#: The conductor's, of an instance's accelerator requests and their events.
NOVA = (
    'arq_bound',
    'arq_released',
    'event_taken',
    'event_sent',
)


def reached(point: str) -> None:
    """Die here by SIGKILL if the environment names *point*."""
    if os.environ.get(VARIABLE) == point:
        os.kill(os.getpid(), signal.SIGKILL)
