"""What the service costs, in figures. ``tools/bench`` runs them.

A module ``bench_<topic>.py`` here has

``FIGURES``
    Names of the figures that it measures, ``report.sql.8``.

``run(wanted)``
    Measures; yields ``(name, value, unit)``. *wanted* is the set of names
    that somebody wants to see: leave out what costs time and is not in it.
    More than wanted may be yielded; it is not printed.

It may have

``REACHES``
    What some figures are to be, ``{'arq.list.sql': ('at most', 2)}``. A line
    behind the figure says whether it is.
"""

# Chooses threads for oslo.service; what comes later must find that done.
import cyborg_fpga.cmd  # noqa: F401
