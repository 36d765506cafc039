# SPDX-License-Identifier: Apache-2.0
"""What both transports share: when to try to connect again, and the system's reasons in words."""
from __future__ import annotations

import random
from typing import Iterator

# Bytes that are read at once.
READ_NBYTES = 256 << 10
# Seconds between two attempts to connect again: the first pause, doubled up to the last.
PAUSE_FIRST_S = 0.02
PAUSE_LAST_S = 1.0
# The least that an attempt is given, however little is left.
CONNECT_S_MIN = 0.001


def pauses() -> Iterator[float]:
    """Seconds to wait between attempts: doubled each time, and drawn so that the clients of one
    server do not come back all at once."""
    pause = PAUSE_FIRST_S
    while True:
        yield pause * random.uniform(0.5, 1.0)
        pause = min(pause * 2, PAUSE_LAST_S)


def cause_of(error: OSError) -> str:
    """The system's reason, in words that end a sentence."""
    text = error.strerror or str(error) or type(error).__name__
    return text[:1].lower() + text[1:]
