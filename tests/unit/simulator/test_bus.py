"""A simulated card's functions change as the kernel lets them."""

import concurrent.futures
import errno
import os
import time

from oslotest import base

from tests.fixtures import simulated_host

A10 = '0000:3b:00.0'
PLAIN = '0000:86:00.0'
RELEASE, ASSIGN = 0x4004B681, 0x4004B682


class BusTest(base.BaseTestCase):
    scenario = f"""
    cards:
      - {{address: '{A10}', family: PAC_A10, ports: 2}}
      - {{address: '{PLAIN}', family: SRIOV}}
    """

    def setUp(self):
        super().setUp()
        self.host = self.useFixture(
            simulated_host.SimulatedHost(self.scenario)
        )
        self.fs = self.host.fs
        self.simulator = self.host.simulator
        self.pci = self.host.directory / 'sys/bus/pci/devices'

    def call(self, request, port):
        self.fs.ioctl('dfl-fme.0', request, port.to_bytes(4, 'little'))

    def vfs(self, number, card=A10):
        self.fs.write(f'bus/pci/devices/{card}/sriov_numvfs', f'{number}\n')

    def bind(self, action, function, driver='dfl-pci'):
        self.fs.write(f'bus/pci/drivers/{driver}/{action}', function)

    def fails(self, number, call, *args):
        exc = self.assertRaises(OSError, call, *args)
        self.assertEqual(errno.errorcode[number], errno.errorcode[exc.errno])

    def links(self, card=A10):
        return sorted(
            os.readlink(path)[3:] for path in (self.pci / card).glob('virtfn*')
        )

    def ports(self, function=A10):
        """Ids of the ports that a function shows; None for a bare one."""
        found = []
        for path in (self.pci / function).glob('fpga_region/*/dfl-port.*'):
            ident = path / 'id'
            found.append(int(ident.read_text()) if ident.exists() else None)
        return sorted(found, key=str)

    def until(self, condition):
        end = time.monotonic() + 60
        while not condition():
            self.assertLess(time.monotonic(), end, 'waited in vain')
            time.sleep(0.01)


class TestPorts(BusTest):
    def test_vfs_need_as_many_released_ports(self):
        self.fails(errno.EINVAL, self.vfs, 1)
        self.call(RELEASE, 1)
        self.assertEqual([0], self.ports())
        self.assertFalse((self.host.directory / 'dev/dfl-port.1').exists())
        self.fails(errno.EINVAL, self.vfs, 2)
        self.vfs(1)
        self.assertEqual(['0000:3b:10.0'], self.links())
        self.assertEqual([1], self.ports('0000:3b:10.0'))

    def test_a_port_is_released_once(self):
        self.call(RELEASE, 0)
        self.fails(errno.EBUSY, self.call, RELEASE, 0)
        self.fails(errno.EBUSY, self.call, ASSIGN, 1)
        self.fails(errno.ENODEV, self.call, RELEASE, 2)
        self.fails(errno.ENODEV, self.call, ASSIGN, 2)

    def test_a_port_that_a_program_has_open_stays(self):
        self.simulator.fault(A10, 'held')
        self.fails(errno.EBUSY, self.call, RELEASE, 0)

    def test_a_port_comes_back_without_a_driver_until_its_pf_is_bound(self):
        self.call(RELEASE, 0)
        self.call(ASSIGN, 0)
        self.assertEqual([1, None], self.ports())
        self.assertFalse((self.host.directory / 'dev/dfl-port.0').exists())
        self.bind('unbind', A10)
        self.assertFalse((self.pci / A10 / 'fpga_region').exists())
        self.bind('bind', A10)
        self.assertEqual([0, 1], self.ports())
        self.assertTrue((self.host.directory / 'dev/dfl-port.0').exists())

    def test_a_port_is_given_back_while_its_vf_lives(self):
        self.call(RELEASE, 0)
        self.vfs(1)
        self.call(ASSIGN, 0)
        self.assertEqual([0], self.ports('0000:3b:10.0'))
        self.assertEqual([1, None], self.ports())

    def test_all_of_it_outlives_the_card_process(self):
        self.call(RELEASE, 1)
        self.vfs(1)
        self.host.stop()
        self.host.start()
        self.assertEqual([1], self.ports('0000:3b:10.0'))
        self.assertEqual([0], self.ports())
        self.vfs(0)
        self.call(ASSIGN, 1)
        self.assertEqual([0, None], self.ports())


class TestVirtualFunctions(BusTest):
    def test_numbers_are_taken_as_the_kernel_does(self):
        for text, number in (
            ('9', errno.ERANGE),
            ('70000', errno.ERANGE),
            ('-1', errno.EINVAL),
            ('x', errno.EINVAL),
        ):
            self.fails(number, self.vfs, text, PLAIN)
        self.vfs(4, PLAIN)
        self.vfs(4, PLAIN)
        self.fails(errno.EBUSY, self.vfs, 3, PLAIN)
        self.vfs(0, PLAIN)
        self.assertEqual([], self.links(PLAIN))
        self.vfs(3, PLAIN)
        self.assertEqual(
            [f'0000:86:10.{n}' for n in (0, 2, 4)], self.links(PLAIN)
        )

    def test_a_pf_without_a_driver_makes_none(self):
        self.bind('unbind', PLAIN, 'qdma-pf')
        self.fails(errno.ENOENT, self.vfs, 1, PLAIN)

    def test_vfs_leave_nothing_behind(self):
        def everything():
            return sorted(
                str(path.relative_to(self.host.directory))
                for part in ('sys', 'dev')
                for path in (self.host.directory / part).rglob('*')
                if 'iommu' not in str(path)
            )

        before = everything()
        self.vfs(8, PLAIN)
        self.assertNotEqual(before, everything())
        self.vfs(0, PLAIN)
        self.assertEqual(before, everything())

    def test_removal_waits_for_the_guest_and_takes_the_links_first(self):
        self.vfs(2, PLAIN)
        self.simulator.fault(PLAIN, 'guest', function='0000:86:10.2')
        with concurrent.futures.ThreadPoolExecutor() as pool:
            removal = pool.submit(self.vfs, 0, PLAIN)
            self.until(lambda: not self.links(PLAIN))
            self.assertFalse(removal.done())
            self.assertTrue((self.pci / '0000:86:10.2').exists())
            self.simulator.clear(PLAIN, 'guest')
            removal.result(60)
        self.assertFalse((self.pci / '0000:86:10.2').exists())

    def test_a_guest_has_the_node_of_its_group_open(self):
        self.simulator.fault(A10, 'guest')
        self.assertEqual(
            '../../../../bus/pci/drivers/vfio-pci',
            os.readlink(self.pci / A10 / 'driver'),
        )
        self.assertFalse((self.pci / A10 / 'fpga_region').exists())
        group = os.readlink(self.pci / A10 / 'iommu_group').split('/')[-1]
        (holder,) = self.fs.opened_by([f'vfio/{group}'])
        self.assertEqual(os.getpid(), holder.process)
        self.simulator.clear(A10)
        self.assertEqual([0, 1], self.ports())
        self.assertEqual([], self.fs.opened_by([f'vfio/{group}']))

    def test_a_function_that_nobody_can_have_is_no_guests(self):
        self.fails(
            errno.EINVAL,
            lambda: self.simulator.fault(A10, 'guest', function='x'),
        )


class TestDrivers(BusTest):
    def test_a_function_is_bound_to_what_its_override_says(self):
        self.bind('unbind', PLAIN, 'qdma-pf')
        self.fails(errno.ENODEV, self.bind, 'unbind', PLAIN, 'qdma-pf')
        self.fails(errno.ENODEV, self.bind, 'bind', PLAIN, 'vfio-pci')
        path = f'bus/pci/devices/{PLAIN}/driver_override'
        self.assertEqual('(null)', self.fs.read(path))
        self.fs.write(path, 'vfio-pci')
        self.fs.write('bus/pci/drivers_probe', PLAIN)
        self.assertTrue(
            (self.pci / PLAIN / 'driver').readlink().name == 'vfio-pci'
        )
        self.fails(errno.EBUSY, self.bind, 'bind', PLAIN, 'vfio-pci')

    def test_a_function_that_is_not_there_is_named_so(self):
        self.fails(errno.ENODEV, self.bind, 'bind', '0000:99:00.0')


class TestHotPlug(BusTest):
    def write(self, path, text='1'):
        self.fs.write(f'bus/pci/{path}', text)

    def test_a_card_that_is_removed_is_back_as_new_after_a_rescan(self):
        self.call(RELEASE, 0)
        self.vfs(1)
        self.bind('unbind', PLAIN, 'qdma-pf')
        self.write(f'devices/{PLAIN}/driver_override', 'vfio-pci')
        for card in (A10, PLAIN):
            self.write(f'devices/{card}/remove')
            self.assertFalse((self.pci / card).exists())
        self.assertEqual([], [*self.pci.iterdir()])
        self.assertEqual([], [*(self.host.directory / 'dev').glob('dfl*')])
        self.fails(errno.ENOENT, self.write, f'devices/{A10}/remove')
        self.host.stop()
        self.host.start()
        self.assertFalse((self.pci / A10).exists())
        self.write('rescan')
        self.assertEqual([], self.links())
        self.assertEqual([0, 1], self.ports())
        driver = self.pci / PLAIN / 'driver'
        self.assertEqual('qdma-pf', driver.resolve().name)
        override = (self.pci / PLAIN / 'driver_override').read_text()
        self.assertEqual('(null)\n', override)

    def test_removal_waits_for_the_guest(self):
        self.simulator.fault(A10, 'guest')
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            removal = pool.submit(self.write, f'devices/{A10}/remove')
            self.assertRaises(
                concurrent.futures.TimeoutError, removal.result, 0.1
            )
            self.assertTrue((self.pci / A10).exists())
            self.simulator.clear(A10)
            removal.result(60)
        self.assertFalse((self.pci / A10).exists())

    def test_what_is_no_number_removes_nothing(self):
        for path in (f'devices/{A10}/remove', 'rescan'):
            self.fails(errno.EINVAL, self.write, path, 'x')
            self.write(path, '0')
        self.assertTrue((self.pci / A10).exists())

    def test_a_card_that_has_vanished_is_not_found_by_a_rescan(self):
        self.simulator.fault(A10, 'vanish')
        self.write('rescan')
        self.assertFalse((self.pci / A10).exists())
        self.simulator.clear(A10)
        self.assertTrue((self.pci / A10).exists())


class TestOfs(BusTest):
    scenario = "cards: [{address: '0000:b1:00.0', family: N6000}]"

    def test_a_card_has_more_functions_and_vfs_beside_its_port(self):
        names = sorted(path.name for path in self.pci.iterdir())
        self.assertEqual([f'0000:b1:00.{n}' for n in range(5)], names)
        self.assertEqual(
            '0x1af4', (self.pci / '0000:b1:00.3/vendor').read_text().strip()
        )
        self.vfs(3, '0000:b1:00.0')
        self.assertEqual(
            [f'0000:b1:00.{n}' for n in (5, 6, 7)], self.links('0000:b1:00.0')
        )
        self.assertEqual([0], self.ports('0000:b1:00.0'))
        self.assertEqual([0], self.ports('0000:b1:00.6'))
