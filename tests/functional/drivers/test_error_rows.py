"""How kernels and tools say no, on simulated hosts that are mounted."""

from tests.fixtures import backends
from tests.unit.drivers import test_error_rows as rows

globals().update(rows.classes(backends.Fuse, __name__))
