"""Lists that are narrowed in Cyborg's way."""

from tests.fixtures import api as fixture
from tests.unit.api import base


def query(*pairs):
    return '&'.join(
        f'filters[{number}].field={field}&filters[{number}].value={value}'
        for number, (field, value) in enumerate(pairs)
    )


class TestFilters(base.ApiTest):
    def addresses(self, query):
        found = self.call('GET', f'/v2/devices?{query}').json['devices']
        return [card['pci_address'] for card in found]

    def test_they_limit_and_sort(self):
        given = ('limit', 1), ('sort_key', 'pci_address'), ('sort_dir', 'desc')
        self.assertEqual([fixture.CARDS[1]], self.addresses(query(*given)))

    def test_one_needs_no_number(self):
        found = self.addresses('filters.field=limit&filters.value=1')
        self.assertEqual(1, len(found))

    def test_several_may_be_given_one_after_the_other(self):
        found = self.addresses(
            'filters.field=sort_key&filters.value=pci_address'
            '&filters.field=sort_dir&filters.value=asc'
        )
        self.assertEqual(list(fixture.CARDS), found)

    def test_they_go_together_with_parameters(self):
        given = query(('limit', 1), ('sort_key', 'pci_address'))
        self.assertEqual(
            [fixture.CARDS[0]], self.addresses(f'type=FPGA&{given}')
        )

    def test_deployables_are_filtered_by_name(self):
        url = '/v2/deployables'
        name = self.call('GET', url).json['deployables'][0]['name']
        for wanted, count in ((name, 1), ('nothing', 0)):
            given = query(('name', wanted))
            found = self.call('GET', f'{url}?{given}').json['deployables']
            self.assertEqual([wanted] * count, [one['name'] for one in found])

    def test_fields_that_cyborg_does_not_heed_change_nothing(self):
        found = self.addresses(query(('board', 'x'), ('name', 'x')))
        self.assertEqual(2, len(found))

    def test_others_are_refused(self):
        for bad in (
            query(('colour', 'red')),
            # Not even what could be compared.
            query(('vendor', 'intel')),
            query(('limit', 'x')),
            query(('limit', '1'), ('limit', '2')),
            query(('limit', '1')) + '&limit=1',
            'filters.field=limit',
            'filters.value=1',
            'filters.colour=red',
            'filters[x].field=limit&filters[x].value=1',
            'filters=[{"field":"limit","value":"1"}]',
        ):
            with self.subTest(bad):
                self.refused(400, 'GET', f'/v2/devices?{bad}')

    def test_only_cyborgs_lists_take_them(self):
        given = query(('limit', '1'))
        self.refused(400, 'GET', f'/v2/device_profiles?{given}')
