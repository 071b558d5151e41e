"""Cards that come or go are noticed before the next period."""

import errno
import os
import pathlib
import socket
import threading
from unittest import mock

import fixtures
import oslo_messaging as messaging
from oslotest import base

from cyborg_fpga.agent import hotplug
from cyborg_fpga.agent import manager
from cyborg_fpga.drivers import sysfs
from tests.fixtures import simulated_host
from tests.unit import test_conf
from tests.unit.agent import fakes

_PCI = b'add@/devices/pci0\0ACTION=add\0SUBSYSTEM=pci\0SEQNUM=1\0'
_NET = b'add@/devices/lo\0ACTION=add\0SUBSYSTEM=net\0SEQNUM=2\0'
_UEVENT = pathlib.Path('/sys/class/mem/null/uevent')


class WatchTest(base.BaseTestCase):
    """A watch on an empty tree."""

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.noticed = threading.Semaphore(0)

    def watching(self, uevents=None, root=None, **kwargs):
        fs = sysfs.Sysfs(root or str(self.folder))
        watch = hotplug.Watch(fs, self.noticed.release, **kwargs)
        watch.start(uevents)
        self.addCleanup(watch.stop)
        return watch

    def comes(self):
        self.assertTrue(self.noticed.acquire(timeout=60))

    def comes_not(self):
        self.assertFalse(self.noticed.acquire(timeout=0.1))


class TestLook(WatchTest):
    def test_what_comes_and_goes_on_a_bus_is_noticed_without_uevents(self):
        self.watching()
        entry = self.folder / 'class/fpga_manager/fpga0'
        entry.mkdir(parents=True)
        self.comes()
        entry.rmdir()
        self.comes()

    def test_nothing_is_noticed_where_nothing_happens(self):
        (self.folder / 'bus/pci/devices/one').mkdir(parents=True)
        self.watching()
        self.comes_not()

    def test_a_watch_that_is_stopped_has_ended(self):
        watch = self.watching()
        watch.stop(60)
        self.assertFalse(watch._thread.is_alive())

    def test_a_watch_that_was_never_started_can_be_stopped(self):
        hotplug.Watch(sysfs.Sysfs(), self.noticed.release).stop()


class TestUevents(WatchTest):
    def setUp(self):
        super().setUp()
        self.kernel, self.uevents = socket.socketpair(
            socket.AF_UNIX, socket.SOCK_DGRAM
        )
        self.addCleanup(self.kernel.close)

    def heard(self, *messages):
        """What a watch makes of messages that came together."""
        for message in messages:
            self.kernel.send(message)
        watch = hotplug.Watch(sysfs.Sysfs(str(self.folder)), lambda: None)
        return watch._await_quiet(self.uevents)

    def test_those_of_cards_are_noticed(self):
        self.watching(self.uevents)
        for _ in range(3):
            self.kernel.send(_PCI)
            self.comes()

    def test_those_of_others_are_not(self):
        for message in (_NET, b'\xff\0SUBSYSTEM=pcix\0', b'SUBSYSTEM'):
            self.assertFalse(self.heard(message), message)
        self.uevents.close()

    def test_many_at_a_time_are_noticed_once(self):
        self.assertTrue(self.heard(*[_NET, _PCI] * 50))
        self.uevents.setblocking(False)
        self.assertRaises(BlockingIOError, self.uevents.recv, 100)
        self.uevents.close()

    def test_too_many_at_a_time_may_have_been_of_cards(self):
        lost = mock.Mock(spec=socket.socket)
        lost.recv.side_effect = OSError(errno.ENOBUFS, 'lost')
        watch = hotplug.Watch(sysfs.Sysfs(str(self.folder)), lambda: None)
        self.assertTrue(watch._is_of_cards(lost))


if os.access(_UEVENT, os.W_OK):

    class TestKernel(WatchTest):
        """With a device of this machine, which is not a card."""

        def test_the_kernels_uevents_are_noticed(self):
            self.watching(root='/sys', subsystems=frozenset({'mem'}))
            _UEVENT.write_text('change')
            self.comes()


class TestAgent(base.BaseTestCase):
    """A whole agent that would report once in an hour."""

    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.host = self.useFixture(simulated_host.SimulatedHost())
        conf = test_conf.configuration()
        conf.set_override('state_path', str(folder / 's'), 'agent')
        conf.set_override('cache_path', str(folder / 'c'), 'agent')
        conf.set_override('report_interval', 3600, 'agent')
        transport = messaging.get_rpc_transport(conf, 'fake://')
        self.addCleanup(transport.cleanup)
        agent = manager.build(conf, transport, self.host.fs)
        self.conductor = fakes.Conductor()
        agent._reporter._conductor = self.conductor
        agent.start()
        self.addCleanup(agent.stop)

    def reported(self, count):
        """Wait for a report of so many cards."""
        self.assertTrue(
            fakes.wait_for(
                lambda: (
                    self.conductor.reports
                    and len(self.conductor.reports[-1].devices) == count
                ),
                60,
            )
        )

    def test_a_card_that_vanishes_and_comes_back_is_reported_at_once(self):
        self.reported(3)
        self.host.simulator.fault('0000:5e:00.0', 'vanish')
        self.reported(2)
        self.host.simulator.clear('0000:5e:00.0')
        self.reported(3)
