"""What the DFL drivers of a kernel answer, on a host that is mounted."""

from tests.fixtures import backends
from tests.unit.drivers import test_dfl_error_rows as rows

globals().update(rows.classes(backends.Fuse, __name__))
