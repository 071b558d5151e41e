"""The contract of drivers, on simulated hosts that are mounted."""

from tests.fixtures import backends
from tests.unit.drivers import test_contract as contract

globals().update(contract.classes(backends.Fuse, 'fuse', __name__))
