"""VFs are made and taken away in the order that the kernel wants."""

import errno
import os
import time

from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.drivers import families
from cyborg_fpga.drivers import intel_dfl
from cyborg_fpga.drivers import pci
from cyborg_fpga.simulator import samples
from tests.fixtures import simulated_host

CARD = model.PciAddress.parse('0000:3b:00.0')
OFS = model.PciAddress.parse('0000:b1:00.0')
PLAIN = model.PciAddress.parse('0000:86:00.0')
A10 = '69528db6eb31577a8c3668f9faa081f6'
FUNCTION = 'd8424dc4a4a3c413f89e433683f9040b'
QUICK = 'program_fixed: 0, program_rate: 1000000000'
SUSPECT = model.Health.SUSPECT, 'its virtual functions are being removed'
WELL = model.Health.OK, ''
SITE = """
families:
  - {driver: pci, vendor: altera, name: X1, ids: ['1172/e001'], vf: 'e002'}
"""


class VfTest(base.BaseTestCase):
    scenario = f"""
    cards:
      - {{address: '{CARD}', ports: 2, {QUICK}}}
      - {{address: '{PLAIN}', family: SRIOV}}
      - {{address: '{OFS}', family: N6000, {QUICK}}}
    """

    def setUp(self):
        super().setUp()
        self.host = self.useFixture(
            simulated_host.SimulatedHost(self.scenario)
        )
        self.simulator = self.host.simulator
        self.fs = self.host.fs
        self.done = []
        self.fs.__class__ = self.recording(self.fs.__class__)
        self.driver = intel_dfl.IntelDFLDriver(self.fs)

    def recording(self, accessor):
        done = self.done

        class Recording(accessor):
            def _write(self, path, text):
                done.append((path.rpartition('/')[2], text))
                super()._write(path, text)

            def _call(self, node, request, arg):
                port = int.from_bytes(arg[-4:], 'little')
                done.append((hex(request), port))
                return super()._call(node, request, arg)

        return Recording

    def regions(self, card=CARD, driver=None):
        (found,) = [
            report
            for report in (driver or self.driver).discover()
            if report.pci_address == card
        ]
        return {
            region.name.partition('/')[2]: [str(h) for h in region.handles]
            for region in found.deployables
        }

    def refused(self, cause, words, number, card=CARD, driver=None):
        exc = self.assertRaises(
            errors.DeviceFailed, (driver or self.driver).set_vfs, card, number
        )
        self.assertEqual(cause, exc.kwargs['cause'], exc)
        self.assertIn(words, exc.kwargs['detail'])

    def remove_vfs_under(self, guest, card=CARD):
        """Begin what does not end before *guest* loses its function."""
        self.simulator.fault(str(card), 'guest', function=guest)
        path = f'bus/pci/devices/{card}'
        self.fs.patience = 0.1
        self.addCleanup(setattr, self.fs, 'patience', 60)
        exc = self.assertRaises(
            OSError, self.fs.write, f'{path}/sriov_numvfs', '0'
        )
        self.assertEqual(errno.ETIMEDOUT, exc.errno)
        self.until(
            lambda: (
                not self.fs.glob(f'{path}/virtfn*')
                and not self.fs.exists(f'bus/pci/devices/{guest}/physfn')
            )
        )

    def until(self, condition):
        end = time.monotonic() + 60
        while not condition():
            self.assertLess(time.monotonic(), end, 'waited in vain')
            time.sleep(0.01)

    def health(self, card=CARD):
        (found,) = [
            (report.health, report.health_reason)
            for report in self.driver.discover()
            if report.pci_address == card
        ]
        return found

    def busy(self, call, *args):
        exc = self.assertRaises(errors.DeviceFailed, call, *args)
        self.assertEqual(model.Cause.DEVICE_BUSY, exc.kwargs['cause'], exc)
        self.assertIn('being removed', exc.kwargs['detail'])


class TestDfl(VfTest):
    node, release, assign = 'dfl-fme.0', 0x4004B681, 0x4004B682
    kernel = 'bus/pci/drivers/dfl-pci'

    def call(self, request, port):
        self.fs.ioctl(self.node, request, self.argument(port))

    def argument(self, port):
        return port.to_bytes(4, 'little')

    def test_ports_are_released_before_the_vfs_are_made(self):
        self.driver.set_vfs(CARD, 2)
        self.assertEqual(
            [
                ('sriov_numvfs', '0'),
                (hex(self.release), 0),
                (hex(self.release), 1),
                ('sriov_numvfs', '2'),
            ],
            self.done,
        )
        self.assertTrue(self.driver.has_vfs(CARD, 2))
        self.assertEqual(
            {'port0': ['0000:3b:10.0'], 'port1': ['0000:3b:10.2']},
            self.regions(),
        )

    def test_ports_go_back_after_the_vfs_and_get_their_driver(self):
        self.driver.set_vfs(CARD, 2)
        self.done.clear()
        self.driver.set_vfs(CARD, 0)
        self.assertEqual(
            [
                ('sriov_numvfs', '0'),
                (hex(self.assign), 0),
                (hex(self.assign), 1),
                ('unbind', str(CARD)),
                ('bind', str(CARD)),
            ],
            self.done,
        )
        self.assertTrue(self.driver.has_vfs(CARD, 0))
        self.assertEqual({'port0': [str(CARD)]}, self.regions())
        image = self.host.directory / 'image'
        image.write_bytes(samples.sample_gbs(A10, FUNCTION))
        self.driver.program(CARD, f'{CARD}/port1', image)
        self.assertEqual(FUNCTION, self.driver.identify(CARD, f'{CARD}/port1'))

    def test_another_number_goes_through_none(self):
        self.driver.set_vfs(CARD, 2)
        self.driver.set_vfs(CARD, 1)
        self.assertEqual({'port0': ['0000:3b:10.0']}, self.regions())

    def test_what_is_so_already_is_left_alone(self):
        self.driver.set_vfs(CARD, 1)
        self.done.clear()
        self.driver.set_vfs(CARD, 1)
        self.assertEqual([], self.done)

    def test_a_card_is_left_alone_while_somebody_has_any_of_it(self):
        self.driver.set_vfs(CARD, 2)
        self.done.clear()
        self.simulator.fault(str(CARD), 'guest', function='0000:3b:10.2')
        for number in (0, 1):
            self.refused(
                model.Cause.DEVICE_BUSY, f'process {os.getpid()}', number
            )
        self.assertEqual([], self.done)

    def test_more_vfs_than_ports_are_refused_and_nothing_is_left(self):
        self.refused(model.Cause.DEVICE_ERROR, 'it has 2 ports', 3)
        self.assertEqual([('sriov_numvfs', '0')], self.done)

    def test_ports_are_given_back_where_the_kernel_makes_no_vfs(self):
        write = self.fs.__class__._write

        def refusing(fs, path, text):
            if path.endswith('sriov_numvfs') and text != '0':
                raise OSError(errno.ENOMEM, 'no bus')
            write(fs, path, text)

        self.fs.__class__._write = refusing
        self.refused(model.Cause.DEVICE_ERROR, 'no bus', 1)
        self.assertTrue(self.driver.has_vfs(CARD, 0))
        self.assertEqual({'port0': [str(CARD)]}, self.regions())

    def test_what_an_agent_left_half_done_is_made_good(self):
        for left in (
            [(self.release, 0)],
            [(self.release, 1), (self.assign, 1)],
            [(self.release, 0), (self.release, 1), (self.assign, 1)],
        ):
            for request, port in left:
                self.call(request, port)
            self.assertFalse(self.driver.has_vfs(CARD, 0))
            self.driver.set_vfs(CARD, 0)
            self.assertTrue(self.driver.has_vfs(CARD, 0))

    def test_a_vf_that_the_kernel_has_not_bound_gets_the_pfs_driver(self):
        self.driver.set_vfs(CARD, 1)
        self.fs.write(f'{self.kernel}/unbind', '0000:3b:10.0')
        self.assertFalse(self.driver.has_vfs(CARD, 1))
        self.driver.set_vfs(CARD, 1)
        self.assertTrue(self.driver.has_vfs(CARD, 1))

    def test_a_removal_that_waits_for_a_guest_is_left_behind(self):
        # Past the check, as a guest that came just after it.
        self.driver.set_vfs(CARD, 1)
        self.simulator.fault(str(CARD), 'guest', function='0000:3b:10.0')
        self.fs.opened_by = lambda nodes: []
        self.fs.patience = 0.1
        self.refused(model.Cause.TIMEOUT, 'has not ended in', 0)
        # Nor is another one piled upon it.
        self.refused(model.Cause.DEVICE_BUSY, 'earlier', 0)
        self.fs.patience = 60
        self.simulator.clear(str(CARD))
        self.driver.discover()

    def test_ports_stay_with_their_vfs_until_the_removal_has_ended(self):
        self.driver.set_vfs(CARD, 2)
        before = self.regions()
        self.remove_vfs_under('0000:3b:10.2')
        self.assertEqual(before, self.regions())
        self.assertEqual(SUSPECT, self.health())
        for number in (0, 2):
            self.assertFalse(self.driver.has_vfs(CARD, number))
            self.refused(
                model.Cause.DEVICE_BUSY, f'process {os.getpid()}', number
            )
        self.simulator.clear(str(CARD))
        self.until(lambda: self.health() == WELL)
        self.assertEqual({'port0': [str(CARD)]}, self.regions())

    def test_the_guest_of_a_leaving_vf_uses_every_port(self):
        self.driver.set_vfs(CARD, 2)
        self.remove_vfs_under('0000:3b:10.2')
        for port in (0, 1):
            (user,) = self.driver.users(CARD, f'{CARD}/port{port}')
            self.assertIn('vfio/', user.node)

    def test_nothing_is_loaded_or_reset_while_vfs_are_leaving(self):
        self.driver.set_vfs(CARD, 2)
        self.remove_vfs_under('0000:3b:10.2')
        image = self.host.directory / 'image'
        image.write_bytes(samples.sample_gbs(A10, FUNCTION))
        region = f'{CARD}/port0'
        self.busy(self.driver.program, CARD, region, image)
        self.busy(self.driver.wipe, CARD, region, model.WipeLevel.RESET)

    def test_a_vf_keeps_its_port_when_the_one_before_it_is_gone(self):
        self.driver.set_vfs(CARD, 2)
        self.simulator.fault(str(CARD), 'guest', function='0000:3b:10.2')
        devices = self.host.directory / 'sys/bus/pci/devices'
        (devices / f'{CARD}/virtfn0').unlink()
        (devices / '0000:3b:10.0').unlink()
        self.assertEqual({'port1': ['0000:3b:10.2']}, self.regions())
        # The kernel is at this one now.
        (devices / f'{CARD}/virtfn1').unlink()
        self.assertEqual({'port1': ['0000:3b:10.2']}, self.regions())
        self.assertEqual(SUSPECT, self.health())


class TestOfs(VfTest):
    def test_vfs_do_not_take_the_port(self):
        self.assertEqual({}, self.regions(OFS))
        self.driver.set_vfs(OFS, 3)
        self.assertEqual(
            [('sriov_numvfs', '0'), ('sriov_numvfs', '3')], self.done
        )
        self.assertEqual(
            {'port0': [f'0000:b1:00.{n}' for n in (5, 6, 7)]},
            self.regions(OFS),
        )
        self.driver.set_vfs(OFS, 0)
        self.assertEqual({}, self.regions(OFS))

    def test_vfs_are_what_is_offered_while_they_leave(self):
        self.driver.set_vfs(OFS, 3)
        before = self.regions(OFS), self.physical_functions()
        self.remove_vfs_under('0000:b1:00.6', OFS)
        now = self.regions(OFS), self.physical_functions()
        self.assertEqual(before, now)
        self.assertEqual(SUSPECT, self.health(OFS))

    def physical_functions(self):
        return [
            report.attributes['physical_functions']
            for report in self.driver.discover()
            if report.pci_address == OFS
        ]


class TestOldNames(TestDfl):
    scenario = VfTest.scenario.replace('ports: 2', 'ports: 2, old_names: true')

    node, release, assign = 'intel-fpga-fme.0', 0xB581, 0xB582
    kernel = 'bus/pci/drivers/intel-fpga-pci'

    def argument(self, port):
        return b''.join(n.to_bytes(4, 'little') for n in (12, 0, port))


class TestPci(VfTest):
    def setUp(self):
        super().setUp()
        path = self.host.directory / 'families.yaml'
        path.write_text(SITE)
        self.driver = pci.PciDriver(self.fs, families.Table.read(path))

    def test_vfs_come_and_go(self):
        self.driver.set_vfs(PLAIN, 3)
        self.driver.set_vfs(PLAIN, 2)
        self.assertEqual(
            [('sriov_numvfs', n) for n in ('3', '0', '2')], self.done
        )
        self.assertEqual(2, len(self.regions(PLAIN)))
        self.assertTrue(self.driver.has_vfs(PLAIN, 2))

    def test_more_than_the_card_can_is_told(self):
        self.refused(model.Cause.DEVICE_ERROR, 'out of range', 99, PLAIN)

    def test_a_guest_keeps_its_function(self):
        self.driver.set_vfs(PLAIN, 3)
        self.simulator.fault(str(PLAIN), 'guest', function='0000:86:10.2')
        self.refused(model.Cause.DEVICE_BUSY, 'vfio/', 0, PLAIN)
        self.assertTrue(self.driver.has_vfs(PLAIN, 3))

    def test_vfs_are_what_is_offered_until_their_removal_has_ended(self):
        self.driver.set_vfs(PLAIN, 3)
        before = self.regions(PLAIN)
        self.remove_vfs_under('0000:86:10.2', PLAIN)
        self.assertEqual(before, self.regions(PLAIN))
        self.assertEqual(SUSPECT, self.health(PLAIN))
        self.assertFalse(self.driver.has_vfs(PLAIN, 0))
        self.assertFalse(self.driver.has_vfs(PLAIN, 3))
        self.simulator.clear(str(PLAIN))
        self.until(lambda: self.driver.has_vfs(PLAIN, 0))
        self.assertEqual(WELL, self.health(PLAIN))

    def test_a_leaving_vf_is_known_and_not_reset(self):
        self.driver.set_vfs(PLAIN, 3)
        self.remove_vfs_under('0000:86:10.2', PLAIN)
        region = f'{PLAIN}/0000:86:10.2'
        (user,) = self.driver.users(PLAIN, region)
        self.assertIn('vfio/', user.node)
        self.busy(self.driver.wipe, PLAIN, region, model.WipeLevel.RESET)

    def test_a_leaving_vf_is_no_card_of_its_own(self):
        self.driver.set_vfs(PLAIN, 3)
        path = self.host.directory / 'families.yaml'
        path.write_text(
            SITE.replace("'1172/e001'", "'1172/e001', '1172/e002'")
        )
        self.driver = pci.PciDriver(self.fs, families.Table.read(path))
        self.remove_vfs_under('0000:86:10.2', PLAIN)
        cards = [report.pci_address for report in self.driver.discover()]
        self.assertEqual([PLAIN], cards)

    def test_a_removal_that_waits_is_not_asked_for_again(self):
        self.driver.set_vfs(PLAIN, 3)
        self.remove_vfs_under('0000:86:10.2', PLAIN)
        # As where the kernel does not say who has it.
        self.fs.opened_by = lambda nodes: []
        self.refused(model.Cause.DEVICE_BUSY, 'earlier', 0, PLAIN)
