"""What the service costs, in figures. ``tools/bench`` runs them.

A module ``bench_<topic>.py`` here has

``FIGURES``
    Names of the figures that it measures, ``report.sql.8``.

``run(wanted)``
    Measures; yields ``(name, value, unit)``. *wanted* is the set of names
    that somebody wants to see: leave out what costs time and is not in it.
    More than wanted may be yielded; it is not printed.
"""
