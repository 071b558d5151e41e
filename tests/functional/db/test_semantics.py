"""The unit tests of the query modules again, on MariaDB and PostgreSQL.

What a compare-and-swap, a page or a constraint does is the database's
business, so it is proven on each.
"""

import unittest

from tests.fixtures import database
from tests.unit.db import base
from tests.unit.db import test_attributes
from tests.unit.db import test_bindings
from tests.unit.db import test_bitstreams
from tests.unit.db import test_claims
from tests.unit.db import test_device_profiles
from tests.unit.db import test_engine
from tests.unit.db import test_hosts
from tests.unit.db import test_offers
from tests.unit.db import test_operations
from tests.unit.db import test_outcomes
from tests.unit.db import test_pages
from tests.unit.db import test_purge
from tests.unit.db import test_reports
from tests.unit.db import test_reservations
from tests.unit.db import test_turns
from tests.unit.db import test_wipes

_CASES = [
    case
    for module in (
        test_attributes,
        test_bindings,
        test_bitstreams,
        test_claims,
        test_device_profiles,
        test_hosts,
        test_offers,
        test_operations,
        test_outcomes,
        test_pages,
        test_purge,
        test_reports,
        test_reservations,
        test_turns,
        test_wipes,
    )
    for case in vars(module).values()
    if isinstance(case, type)
    and issubclass(case, base.DatabaseTest)
    and unittest.defaultTestLoader.getTestCaseNames(case)
]
_CASES.append(test_engine.TestWriter)

for _backend in database.SERVERS:
    for _case in _CASES:
        _module = _case.__module__.rpartition('.test_')[2]
        _name = f'{_backend}_{_module}_{_case.__name__}'
        globals()[_name] = type(
            _name, (_case,), {'backend': _backend, '__module__': __name__}
        )
# A name that is left over would be one more test.
del _case
