"""The tree looks like the kernel's, to whom looks closely."""

import os

from oslotest import base

from tests.fixtures import simulated_host


class TestTree(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.host = self.useFixture(simulated_host.SimulatedHost())
        self.sys = self.host.directory / 'sys'
        self.pci = self.sys / 'bus/pci/devices'

    def test_every_link_is_relative_and_leads_somewhere(self):
        links = [p for p in self.sys.rglob('*') if p.is_symlink()]
        self.assertGreater(len(links), 30)
        for link in links:
            self.assertFalse(os.readlink(link).startswith('/'), link)
            self.assertTrue(link.exists(), link)

    def test_a_function_hangs_below_a_bridge(self):
        self.assertEqual(
            '../../../devices/pci0000:3a/0000:3a:00.0/0000:3b:00.0',
            os.readlink(self.pci / '0000:3b:00.0'),
        )

    def test_vfs_and_their_pf_name_each_other(self):
        pf = self.pci / '0000:86:00.0'
        self.assertEqual('../0000:86:10.6', os.readlink(pf / 'virtfn3'))
        vf = self.pci / '0000:86:10.6'
        self.assertEqual('../0000:86:00.0', os.readlink(vf / 'physfn'))
        self.assertEqual('4\n', (pf / 'sriov_numvfs').read_text())
        self.assertFalse((vf / 'sriov_numvfs').exists())
        # Hexadecimal, but without the prefix that all others have.
        self.assertEqual('0b2c\n', (pf / 'sriov_vf_device').read_text())
        self.assertEqual('0x0b2c\n', (vf / 'device').read_text())

    def test_every_text_ends_in_one_newline(self):
        for path in self.sys.rglob('*'):
            if path.is_file() and path.name != 'config':
                text = path.read_text()
                self.assertTrue(text.endswith('\n'), path)
                self.assertFalse(text.endswith('\n\n'), path)

    def test_a_released_port_is_gone_from_the_pf(self):
        pf = self.pci / '0000:86:00.0'
        self.assertEqual([], list(pf.glob('fpga_region/*/dfl-port.*')))
        vf = self.pci / '0000:86:10.0'
        (port,) = vf.glob('fpga_region/*/dfl-port.*')
        self.assertEqual('0\n', (port / 'id').read_text())
        self.assertTrue((self.host.directory / 'dev' / port.name).exists())

    def test_numbers_are_global(self):
        regions = sorted(
            p.name for p in (self.sys / 'class/fpga_region').iterdir()
        )
        self.assertEqual(3 * 2 + 4, len(regions))
        ports = [p.name for p in self.sys.rglob('dfl-port.*')]
        self.assertEqual(6, len(set(ports)))

    def test_a_vanished_card_leaves_nothing_and_comes_back_the_same(self):
        def everything():
            return sorted(
                str(p.relative_to(self.host.directory))
                for part in ('sys', 'dev')
                for p in (self.host.directory / part).rglob('*')
            )

        before = everything()
        for address in ('0000:3b:00.0', '0000:86:00.0'):
            self.host.simulator.fault(address, 'vanish')
            left = [p for p in everything() if address[:7] in p]
            self.assertEqual([], left)
            for link in self.sys.rglob('*'):
                self.assertTrue(link.exists(), link)
            self.host.simulator.clear(address, 'vanish')
            self.assertEqual(before, everything())

    def test_a_directory_with_a_long_name_works(self):
        below = 'x' * 100 + '/' + 'y' * 100
        host = self.useFixture(simulated_host.SimulatedHost(below=below))
        self.assertEqual(3, len(host.simulator.cards()))
