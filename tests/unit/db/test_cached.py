"""Which hosts have which bitstreams on their disks."""

from typing import Any

from cyborg_fpga.db import cached
from cyborg_fpga.db import hosts
from tests.unit.db import base

OTHER = 'node2.example.com'


class CachedTest(base.DatabaseTest):
    def tell(self, *names: str, **members: Any) -> None:
        self.store(cached=names, **members)

    def holding(self, *names: str) -> dict[str, frozenset[str]]:
        return cached.hostnames_holding(self.ctx, names)

    def test_hosts_that_have_a_file_are_found_by_its_name(self) -> None:
        self.tell('a', 'b')
        self.tell('b', 'c', hostname=OTHER)
        self.assertEqual(
            {'a': {base.HOST}, 'b': {base.HOST, OTHER}},
            self.holding('a', 'b', 'missing'),
        )
        self.assertEqual({}, self.holding())

    def test_report_says_all_that_there_is(self) -> None:
        self.tell('a', 'b')
        self.tell('b', 'c', hostname=OTHER)
        self.tell('b', 'd')
        self.assertEqual(
            {'b': {base.HOST, OTHER}, 'c': {OTHER}, 'd': {base.HOST}},
            self.holding('a', 'b', 'c', 'd'),
        )
        self.tell()
        self.assertEqual({'b': {OTHER}}, self.holding('b', 'd'))

    def test_one_statement_finds_the_hosts_of_all_names(self) -> None:
        self.tell('a', 'b')
        with self.statements() as seen:
            self.holding('a', 'b', 'c')
        self.assertEqual(1, len(seen), seen)

    def test_files_that_stayed_cost_nothing(self) -> None:
        self.tell()
        for names in ((), ('a', 'b')):
            self.tell(*names)
            with self.statements() as seen:
                self.tell(*names)
            asked = [line for line in seen if 'cached_bitstreams' in line]
            self.assertEqual([], asked)

    def test_figures_are_those_of_the_last_report(self) -> None:
        self.tell()
        self.assertEqual({}, hosts.get(self.ctx, base.HOST).cache)
        for hits in (1, 2):
            self.tell('a', cache={'hits': hits, 'files': 1})
        self.assertEqual(
            {'hits': 2, 'files': 1}, hosts.get(self.ctx, base.HOST).cache
        )
