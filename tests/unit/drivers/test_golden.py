"""What is found of each kind of card, written down in full.

The cards are described by the notes on hardware; what must be found is
written by hand, so that neither the table of families nor the simulator's
own is its source.
"""

from oslotest import base

from cyborg_fpga import model
from cyborg_fpga.drivers import intel_dfl
from tests.fixtures import simulated_host

A10 = '69528db6eb31577a8c3668f9faa081f6'
D5005 = '9346116da52d5ca8b06aa9a389ef7c8d'
N3000 = 'a5d72a3cc8b04939912cf715e5dc10ca'
N6001 = 'ce3139c959cf528ca27751c50829797a'

#: Scenario's members of a card -> vendor, family, ids, region, functions
#: that guests can be given by port, physical functions.
CARDS = {
    'family: PAC_A10, numa_node: 1': (
        'intel PAC_A10 8086/09c4',
        A10,
        {'port0': '00.0'},
        '00.0',
    ),
    'family: PAC_A10, numa_node: 1, old_names: true': (
        'intel PAC_A10 8086/09c4',
        A10,
        {'port0': '00.0'},
        '00.0',
    ),
    'family: PAC_A10, numa_node: 1, ports: 2, vfs: 2, old_names: true': (
        'intel PAC_A10 8086/09c4',
        A10,
        {'port0': '10.0', 'port1': '10.2'},
        '00.0',
    ),
    'family: PAC_A10, numa_node: 1, ports: 2, vfs: 2': (
        'intel PAC_A10 8086/09c4',
        A10,
        {'port0': '10.0', 'port1': '10.2'},
        '00.0',
    ),
    'family: PAC_D5005, numa_node: 1, vfs: 3': (
        'intel PAC_D5005 8086/0b2b',
        D5005,
        {'port0': '10.0 10.2 10.4'},
        '00.0',
    ),
    'family: PAC_N3000, numa_node: 1': (
        'intel PAC_N3000 8086/0b30',
        N3000,
        {'port0': '00.0'},
        '00.0',
    ),
    'family: N6001, numa_node: 1': (
        'intel N6001 8086/bcce',
        N6001,
        {'port0': '00.0'},
        '00.0',
    ),
    'family: N6000, numa_node: 1': (
        'intel N6000 8086/bcce',
        None,
        {},
        '00.0 00.1 00.2 00.3 00.4',
    ),
    'family: N6000, numa_node: 1, vfs: 3': (
        'intel N6000 8086/bcce',
        N6001,
        {'port0': '00.5 00.6 00.7'},
        '00.0 00.1 00.2 00.3 00.4',
    ),
    'family: N5010, numa_node: 1': (
        'silicom N5010 1c2c/1000',
        '5010' * 8,
        {'port0': '00.0'},
        '00.0',
    ),
    'family: F5, numa_node: 1': (
        'alibaba F5 1ded/8103',
        'f5' * 16,
        {'port0': '00.0'},
        '00.0',
    ),
}


class TestDiscovery(base.BaseTestCase):
    def test_every_card_is_found_as_it_is(self):
        addresses = [f'0000:{16 * n + 1:02x}:00.0' for n in range(len(CARDS))]
        scenario = 'cards:\n' + '\n'.join(
            f"  - {{address: '{address}', {members}}}"
            for address, members in zip(addresses, CARDS, strict=True)
        )
        host = self.useFixture(simulated_host.SimulatedHost(scenario))
        found = intel_dfl.IntelDFLDriver(host.fs).discover()
        self.assertEqual(addresses, [str(c.pci_address) for c in found])
        for card, members in zip(found, CARDS, strict=True):
            self.assertEqual(CARDS[members], self.told(card), members)
            self.assertEqual(1, card.numa_node, members)
            self.assertEqual(model.Health.OK, card.health)
            handles = [h for d in card.deployables for h in d.handles]
            groups = card.attributes.get('iommu_group', '').split(',')
            self.assertEqual(len(handles) or 1, len(set(groups)), members)
            self.assertRegex(card.attributes['bitstream_id'], '^0x[0-9a-f]+$')

    def told(self, card):
        regions = {r.region_id for r in card.deployables} or {None}
        (region,) = regions
        return (
            f'{card.vendor} {card.family} {card.vendor_id}/{card.product_id}',
            region,
            {
                deployable.name.partition('/')[2]: ' '.join(
                    str(handle)[8:] for handle in deployable.handles
                )
                for deployable in card.deployables
            },
            ' '.join(
                name[8:]
                for name in card.attributes['physical_functions'].split()
            ),
        )
