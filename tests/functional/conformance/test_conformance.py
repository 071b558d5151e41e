"""Side by side with the original: what differs is in a list, with a reason."""

import contextlib
import json
import re

from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga.api import handler
from cyborg_fpga.api import routes
from tests.functional.conformance import comparing
from tests.functional.conformance import original
from tests.functional.conformance import sides

#: What Cyborg has no counterpart of.
_OURS = re.compile(
    r'/v2/((bitstreams|claims|hosts|operations|types)\b|deployables/.*/run)'
)


class TestConformance(base.BaseTestCase):
    def test_the_list_has_the_differences_and_no_others(self):
        original.python()
        both = self.useFixture(sides.Sides())
        found, listed = dict(both.differences()), sides.listed()
        wrong = {
            'not in the list': comparing.unlisted(found, listed),
            'in the list, but gone': comparing.outlived(found, listed),
        }
        self.assertEqual(
            {what: [] for what in wrong}, wrong, json.dumps(wrong, indent=1)
        )


class TestTable(base.BaseTestCase):
    def test_every_request_has_a_name_of_its_own(self):
        names = [row['name'] for row in sides.table()]
        self.assertEqual(sorted(set(names)), sorted(names))

    def test_every_request_of_the_list_is_in_it(self):
        named = {name for one in sides.listed() for name in one.requests}
        self.assertLessEqual(named, {row['name'] for row in sides.table()})

    def test_it_has_every_method_of_every_url(self):
        table = routes.table(handler.Services(None, None, None))
        root = routes.Root(table)
        wanted = {
            method
            for url, methods in table.items()
            if not _OURS.match(url)
            for method in methods.values()
        }
        asked = set()
        for row in sides.table():
            method = sides.method(row)
            path = row[method].partition('?')[0].split('/')[1:]
            with contextlib.suppress(errors.FPGAError):
                asked.add(root.find(path, method)[0])
        self.assertEqual(set(), wanted - asked)
