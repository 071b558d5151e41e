"""Which cards are ours, and which Nova believes to be its own."""

import pathlib

import fixtures
from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.agent import nova_pci
from cyborg_fpga.agent import selection
from cyborg_fpga.drivers import aws_f2
from cyborg_fpga.drivers import families
from cyborg_fpga.drivers import intel_dfl
from cyborg_fpga.drivers import pci
from cyborg_fpga.drivers import xilinx_xrt
from tests.fixtures import simulated_host


def card(address, *handles, product='09c4'):
    return model.DeviceReport(
        driver='intel_dfl',
        pci_address=model.PciAddress.parse(address),
        vendor='intel',
        family='X',
        vendor_id='8086',
        product_id=product,
        deployables=(
            model.DeployableReport(
                name=address,
                handles=tuple(model.PciAddress.parse(h) for h in handles),
            ),
        ),
    )


A = card('0000:3b:00.0', '0000:3b:00.0')
B = card('0000:3b:01.0', '0000:3b:01.0', product='0b2b')
C = card('0000:86:00.0', '0000:86:10.0', '0000:86:10.2')


class TestSelection(base.BaseTestCase):
    def ours(self, **words):
        return list(selection.Selection(**words).ours([A, B, C]))

    def test_every_card_is_ours_unless_told(self):
        self.assertEqual([A, B, C], self.ours())

    def test_only_what_is_included_is_ours(self):
        self.assertEqual([B], self.ours(include=['0000:3b:01.0']))
        self.assertEqual([A, B], self.ours(include=['0000:3b:*']))
        self.assertEqual([A, C], self.ours(include=['8086/09C4']))
        self.assertEqual([], self.ours(include=['0000:ff:00.0']))

    def test_what_is_excluded_is_not_ours_even_if_included(self):
        self.assertEqual([A, C], self.ours(exclude=['8086/0b2b']))
        self.assertEqual(
            [C], self.ours(include=['8086/09c4'], exclude=['0000:3B:00.0'])
        )

    def test_a_card_goes_with_any_of_its_functions(self):
        self.assertEqual([A, B], self.ours(exclude=['0000:86:10.2']))
        self.assertEqual([C], self.ours(include=['0000:86:10.2']))

    def test_what_is_neither_address_nor_id_is_refused(self):
        for text in ('', '*', '8086', '8086/09', 'card0', '../x'):
            exc = self.assertRaises(
                errors.InvalidInput, selection.Selection, [], [text]
            )
            self.assertIn(repr(text), str(exc))


class TestFunctions(base.BaseTestCase):
    """Cards as their drivers find them, with functions that nobody gets."""

    SITE = """
    families: [{driver: pci, vendor: acme, name: X1, ids: ['1172/e001']}]
    """

    def goes_with(self, driver, cards, *addresses, prepare=None):
        host = self.useFixture(simulated_host.SimulatedHost(f'cards: {cards}'))
        if prepare is not None:
            prepare(host.directory / 'sys/bus/pci/devices')
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        site, nova = folder / 'families.yaml', folder / 'nova.conf'
        site.write_text(self.SITE)
        table = families.Table.read(site)
        found = driver(host.fs, table).discover()
        self.assertEqual(2, len(found))
        for address in addresses:
            excluded = selection.Selection(exclude=[address]).ours(found)
            self.assertEqual(found[1:], list(excluded), address)
            included = selection.Selection(include=[address]).ours(found)
            self.assertEqual(found[:1], list(included), address)
            nova.write_text(
                f'[pci]\ndevice_spec = {{"address": "{address}"}}\n'
            )
            log = self.useFixture(fixtures.FakeLogger(nova_pci.__name__))
            nova_pci.Overlap([str(nova)], table).warn(found)
            self.assertIn(f'Card {found[0].pci_address} is ours', log.output)
            self.assertEqual(1, log.output.count('is ours'), address)

    def test_a_card_goes_with_a_function_whose_vfs_are_given(self):
        cards = """
          - {address: '0000:3b:00.0', family: SRIOV, vfs: 2}
          - {address: '0000:3b:00.1', family: SRIOV, vfs: 2, vf_offset: 130}
          - {address: '0000:5e:00.0', family: SRIOV}
        """
        told = '0000:3b:00.0', '0000:3b:00.1', '0000:3b:10.2', '0000:3b:10.3'
        self.goes_with(pci.PciDriver, cards, *told)

    def test_a_card_of_ofs_goes_with_functions_that_are_nobodys(self):
        cards = """
          - {address: '0000:3b:00.0', family: N6000, vfs: 3}
          - {address: '0000:5e:00.0', family: N6000, vfs: 3}
        """
        told = [f'0000:3b:00.{number}' for number in range(8)]
        self.goes_with(intel_dfl.IntelDFLDriver, cards, *told)

    def test_a_card_of_ofs_goes_with_vfs_of_its_other_functions(self):
        def prepare(devices):
            pf, vf = devices / '0000:3b:00.1', devices / '0000:3b:02.0'
            vf.mkdir()
            for name, text in {'vendor': '0x8086', 'device': '0xbccf'}.items():
                (vf / name).write_text(f'{text}\n')
            (vf / 'physfn').symlink_to(pf)
            (pf / 'virtfn0').symlink_to(vf)

        cards = """
          - {address: '0000:3b:00.0', family: N6000, vfs: 3}
          - {address: '0000:5e:00.0', family: N6000, vfs: 3}
        """
        self.goes_with(
            intel_dfl.IntelDFLDriver, cards, '0000:3b:02.0', prepare=prepare
        )

    def test_a_card_goes_with_its_management_function(self):
        for driver, family in (
            (xilinx_xrt.XilinxXRTDriver, 'U250'),
            (aws_f2.AWSF2Driver, 'F2'),
        ):
            cards = f"""
              - {{address: '0000:3b:00.0', family: {family}}}
              - {{address: '0000:5e:00.0', family: {family}}}
            """
            self.goes_with(driver, cards, '0000:3b:00.0', '0000:3b:00.1')


class TestNova(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.log = self.useFixture(
            fixtures.FakeLogger(nova_pci.__name__, level=30)
        )
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.path = folder / 'nova.conf'

    def overlap(self, *specs, option='device_spec', group='pci'):
        lines = [f'[{group}]', *(f'{option} = {spec}' for spec in specs)]
        self.path.write_text('\n'.join(lines) + '\n')
        return nova_pci.Overlap([str(self.path)], families.shipped())

    def warned(self, *specs, **kwargs):
        """The cards that are warned about, by their addresses."""
        before = len(self.log.output)
        self.overlap(*specs, **kwargs).warn([A, B, C])
        text = self.log.output[before:]
        return [
            str(c.pci_address)
            for c in (A, B, C)
            if f'Card {c.pci_address} is ours' in text
        ]

    def test_cards_that_nova_lists_too_are_named(self):
        first, second, third = (str(c.pci_address) for c in (A, B, C))
        for expected, spec in (
            ([first, third], '{"vendor_id": "8086", "product_id": "09c4"}'),
            # The VFs of A and C are of this product.
            ([first, third], '{"vendor_id": "8086", "product_id": "09c5"}'),
            ([second], '[{"product_id": "0b2b"}]'),
            ([first], '{"address": "0000:3b:00.0"}'),
            ([first, second], '{"address": "*:3b:*.*"}'),
            ([first, second], '{"address": ":3b:"}'),
            ([third], '{"address": "86:10.2"}'),
            ([third], '{"address": {"bus": "8[0-9]", "slot": "10"}}'),
            ([], '{"address": {"bus": "8[0-9", "slot": "10"}}'),
            # Nova compares numbers, and expressions from the beginning on.
            ([second], '{"address": "0:3B:1.0"}'),
            ([first, second], '{"address": " : 3b : * . 0 "}'),
            ([third], '{"address": {"bus": "8"}}'),
            ([], '{"address": {"bus": "6"}}'),
            ([second], '{"vendor_id": " 0x8086", "product_id": "b2b"}'),
            ([], '{"address": "0000:3b:xx.0"}'),
            ([], '{"vendor_id": "10de"}'),
            ([], '{"devname": "eth0"}'),
            ([first, second, third], '{"vendor_id": "*"}'),
        ):
            self.assertEqual(expected, self.warned(spec), spec)

    def test_older_names_of_the_option_are_understood(self):
        spec = '{"product_id": "0b2b"}'
        for option, group in (
            ('passthrough_whitelist', 'pci'),
            ('pci_passthrough_whitelist', 'DEFAULT'),
        ):
            self.assertEqual(
                ['0000:3b:01.0'], self.warned(spec, option=option, group=group)
            )

    def test_several_lines_count(self):
        self.assertEqual(
            ['0000:3b:00.0', '0000:3b:01.0'],
            self.warned(
                '{"address": "0000:3b:00.0"}', '{"address": "0000:3b:01.0"}'
            ),
        )

    def test_a_card_is_warned_about_once(self):
        overlap = self.overlap('{"product_id": "0b2b"}')
        for _ in range(3):
            overlap.warn([A, B, C])
        self.assertEqual(1, self.log.output.count('is ours'))

    def test_what_is_not_understood_is_told(self):
        for text in ('{', 'x', '[1]', 'null'):
            self.assertEqual([], self.warned(text))
            words = f'Not understood in [pci] device_spec: {text}\n'
            self.assertIn(words, self.log.output)

    def test_a_file_that_cannot_be_read_is_told_and_stops_nobody(self):
        nova_pci.Overlap(['/nonexistent'], families.shipped()).warn([A])
        self.assertIn('cannot be read', self.log.output)
        self.assertNotIn('is ours', self.log.output)

    def test_without_files_nothing_is_said(self):
        nova_pci.Overlap([], families.shipped()).warn([A, B, C])
        self.assertEqual('', self.log.output)
