"""Cards that are handed out as they are: which, and how they are reset."""

import pathlib

from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.drivers import families
from cyborg_fpga.drivers import pci
from tests.fixtures import simulated_host

SCENARIO = """
cards:
  - {address: '0000:3b:00.0', family: SRIOV, vfs: 2, numa_node: 1,
     serial: '00a1b2c3d4e5f607'}
  - {address: '0000:5e:00.0', family: SRIOV, device: 'e003'}
  - {address: '0000:86:00.0', family: SRIOV, subsystem_device: '0042'}
  - {address: '0000:86:00.1', family: SRIOV, subsystem_device: '0042'}
  - {address: '0000:af:00.0', family: PAC_A10}
"""
SITE = """
families:
  - {driver: pci, vendor: acme, name: X1, model: Example One,
     ids: ['1172/e001']}
  - {driver: pci, vendor: acme, name: X2, ids: ['1172/e001/0042']}
"""


class PciTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.host = self.useFixture(simulated_host.SimulatedHost(SCENARIO))
        self.sys = self.host.directory / 'sys/bus/pci/devices'
        self.driver = self.driver_with(SITE)

    def driver_with(self, site):
        path = self.host.directory / 'site.yaml'
        path.write_text(site)
        return pci.PciDriver(self.host.fs, families.Table.read(path))

    def found(self):
        return {str(r.pci_address): r for r in self.driver.discover()}

    def names(self, address):
        return [d.name for d in self.found()[address].deployables]

    def fails(self, cause, words, *args):
        exc = self.assertRaises(errors.DeviceFailed, *args)
        self.assertEqual(cause, exc.kwargs['cause'])
        self.assertIn(words, exc.kwargs['detail'])


class TestDiscover(PciTest):
    def test_only_cards_of_the_sites_table_are_found(self):
        self.assertEqual(
            {'0000:3b:00.0': 'X1', '0000:86:00.0': 'X2'},
            {address: r.family for address, r in self.found().items()},
        )

    def test_without_a_table_nothing_is_even_looked_at(self):
        class Blind(type(self.host.fs)):
            def read_bytes(self, path, limit=0):
                raise AssertionError(path)

            listdir = glob = read_bytes

        driver = pci.PciDriver(Blind(self.host.directory))
        self.assertEqual([], driver.discover())

    def test_a_card_says_what_it_is(self):
        card = self.found()['0000:3b:00.0']
        self.assertEqual(
            ('acme', 'Example One', '1172', 'e001', 1, '00a1b2c3d4e5f607'),
            (
                card.vendor,
                card.model,
                card.vendor_id,
                card.product_id,
                card.numa_node,
                card.serial,
            ),
        )

    def test_each_vf_is_handed_out_by_itself(self):
        card = self.found()['0000:3b:00.0']
        self.assertEqual(
            [(['0000:3b:10.0'], 'VF'), (['0000:3b:10.2'], 'VF')],
            [
                ([str(h) for h in d.handles], d.handle_kind)
                for d in card.deployables
            ],
        )
        self.assertEqual([None], [*{d.region_id for d in card.deployables}])

    def test_functions_of_one_slot_are_one_card(self):
        self.assertEqual(
            ['0000:86:00.0/0000:86:00.0', '0000:86:00.0/0000:86:00.1'],
            self.names('0000:86:00.0'),
        )

    def boards(self, *cards):
        """How the driver groups cards that are so."""
        lines = [
            f"  - {{address: '0000:{bus}:00.0', family: SRIOV, {more}}}"
            for bus, more in cards
        ]
        self.host = self.useFixture(
            simulated_host.SimulatedHost('\n'.join(['cards:', *lines]))
        )
        self.driver = self.driver_with(SITE)
        return {
            address[5:7]: [d.name[5:] for d in card.deployables]
            for address, card in self.found().items()
        }

    def test_slots_with_the_same_serial_number_are_one_card(self):
        same = "serial: '00a1b2c3d4e5f607'"
        found = self.boards(
            ('3b', same), ('5e', "serial: '0000000000000001'"),
            ('86', f'{same}, vfs: 1'),
        )  # fmt: skip
        self.assertEqual(
            {'3b': ['3b:00.0/0000:3b:00.0', '86:00.0/0000:86:10.0'],
             '5e': ['5e:00.0/0000:5e:00.0']}, found,
        )  # fmt: skip
        card = self.found()['0000:3b:00.0']
        self.assertEqual('00a1b2c3d4e5f607', card.serial)
        self.assertEqual(
            {'iommu_group': '0,3',
             'physical_functions': '0000:3b:00.0 0000:86:00.0'},
            card.attributes,
        )  # fmt: skip

    def test_a_function_of_any_slot_of_a_card_is_reset(self):
        same = "serial: '00a1b2c3d4e5f607'"
        self.boards(('3b', same), ('5e', ''), ('86', same))
        first, other = (
            model.PciAddress.parse(f'0000:{bus}:00.0') for bus in ('3b', '5e')
        )
        guest = '0000:86:00.0'
        self.host.simulator.write_memory(guest, 0, b'secret')
        self.fails(
            model.Cause.DEVICE_GONE, 'no such function', self.driver.wipe,
            other, f'{guest}/{guest}', model.WipeLevel.RESET,
        )  # fmt: skip
        self.driver.wipe(first, f'{guest}/{guest}', model.WipeLevel.RESET)
        self.assertEqual(
            bytes(6), self.host.simulator.read_memory(guest, 0, 6)
        )

    def test_a_serial_number_that_is_nobodys_tells_nothing(self):
        for serial in ('0000000000000000', '0000000101000a35'):
            same = f"serial: '{serial}'"
            self.assertEqual(
                {'3b', '86'}, set(self.boards(('3b', same), ('86', same)))
            )

    def test_cards_of_other_kinds_are_others_whatever_their_serials(self):
        same = "serial: '00a1b2c3d4e5f607'"
        found = self.boards(
            ('3b', same), ('86', f"{same}, subsystem_device: '0042'")
        )
        self.assertEqual({'3b', '86'}, set(found))

    def test_vfs_are_no_cards_of_their_own(self):
        self.driver = self.driver_with(SITE.replace('e001/0042', 'e002'))
        self.assertEqual(['0000:3b:00.0', '0000:86:00.0'], [*self.found()])

    def test_a_function_that_cannot_be_reset_says_so(self):
        (self.sys / '0000:3b:10.2/reset').unlink()
        first, second = self.found()['0000:3b:00.0'].deployables
        self.assertEqual((model.WipeLevel.RESET,), first.wipe_levels)
        self.assertEqual((), second.wipe_levels)


class TestWipe(PciTest):
    card = model.PciAddress.parse('0000:3b:00.0')

    def test_only_the_function_of_the_last_holder_is_reset(self):
        for guest in ('0000:3b:10.0', '0000:3b:10.2'):
            self.host.simulator.write_memory(guest, 0, b'kept')
        self.driver.wipe(
            self.card, '0000:3b:00.0/0000:3b:10.2', model.WipeLevel.RESET
        )
        self.assertEqual(
            [b'kept', bytes(4)],
            [
                self.host.simulator.read_memory(guest, 0, 4)
                for guest in ('0000:3b:10.0', '0000:3b:10.2')
            ],
        )

    def test_a_function_of_another_card_is_not_reset(self):
        self.host.simulator.write_memory('0000:5e:00.0', 0, b'kept')
        for name in ('0000:3b:00.0/0000:5e:00.0', '0000:5e:00.0/0000:5e:00.0'):
            self.fails(
                model.Cause.DEVICE_GONE,
                'no such function',
                self.driver.wipe,
                self.card,
                name,
                model.WipeLevel.RESET,
            )
        self.assertEqual(
            b'kept', self.host.simulator.read_memory('0000:5e:00.0', 0, 4)
        )

    def test_a_reset_that_the_kernel_refuses_is_told_in_its_words(self):
        self.host.simulator.fault('0000:3b:00.0', 'wipe')
        self.fails(
            model.Cause.DEVICE_ERROR,
            'Input/output error',
            self.driver.wipe,
            self.card,
            '0000:3b:00.0/0000:3b:10.2',
            model.WipeLevel.RESET,
        )


class TestNoImages(PciTest):
    def test_no_file_is_an_image_for_it(self):
        image = pathlib.Path('/dev/null')
        for call in (
            lambda: self.driver.expected_function(image),
            lambda: self.driver.program(
                TestWipe.card, '0000:3b:00.0/0000:3b:10.2', image
            ),
        ):
            self.assertRaises(errors.BadBitstream, call)
