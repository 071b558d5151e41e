"""The all-in-one as people start it: its limits, and what it leaves."""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

import fixtures
import psutil
import requests
from oslotest import base
from testtools import content

from tests.fixtures import mounted

#: Promised for a small machine.
DEMO_SECONDS = 60
READY_SECONDS = 15
MEGABYTES = 500

SCENARIO = """
hosts:
  - name: rack1
    cards:
      - {address: '0000:3b:00.0', family: PAC_D5005, vfs: 2}
      - {address: '0000:5e:00.0', family: U250}
      - {address: '0000:86:00.0', family: SRIOV, vfs: 2}
  - name: rack2
    cards: [{address: 'ffffffff:ff:00.0', family: ZYNQ7000}]
  - name: rack3
    cards: [{address: '0000:34:00.0', family: F2, count: 2}]
"""

_SAMPLE_SECONDS = 0.25
_PATIENCE = 180


class AllInOneTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.seen = {}
        self.most = 0.0

    def start(self, *arguments, **environ):
        """The all-in-one, in an empty directory and with an empty /tmp."""
        for name in ('here', 'tmp'):
            (self.folder / name).mkdir()
        self.useFixture(
            fixtures.EnvironmentVariable('TMPDIR', str(self.folder / 'tmp'))
        )
        log = (self.folder / 'said').open('w')
        self.addCleanup(log.close)
        self.process = psutil.Popen(
            [sys.executable, '-m', 'cyborg_fpga.cmd.allinone', *arguments],
            cwd=self.folder / 'here',
            env={**os.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        self.addCleanup(self.end)
        self.addOnException(self.tell)

    def tell(self, _exc_info):
        self.addDetail('said', content.text_content(self.said()))

    def said(self):
        return (self.folder / 'said').read_text()

    def family(self):
        """The process and all that it started; they are remembered."""
        found = []
        with contextlib.suppress(psutil.NoSuchProcess):
            found = [self.process, *self.process.children(recursive=True)]
        self.seen.update({one.pid: one for one in found})
        return found

    def end(self):
        for one in [self.process, *self.seen.values()]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        self.process.wait()

    def measure(self, over):
        while not over.wait(_SAMPLE_SECONDS):
            total = 0
            for one in self.family():
                # It may have ended since it was listed.
                with contextlib.suppress(psutil.Error):
                    total += one.memory_full_info().pss
            self.most = max(self.most, total / 1e6)

    def until(self, holds):
        end = time.monotonic() + _PATIENCE
        while not holds():
            self.assertIsNone(self.process.poll(), self.said())
            self.assertLess(time.monotonic(), end, self.said())
            time.sleep(0.05)

    def assert_nothing_is_left(self):
        _, alive = psutil.wait_procs(self.seen.values(), timeout=30)
        self.assertEqual([], alive)
        for name in ('here', 'tmp'):
            self.assertEqual([], list((self.folder / name).iterdir()))

    def ready_seconds(self):
        return float(re.search(r'^ready in ([\d.]+) s', self.said(), re.M)[1])

    def test_the_demo_keeps_its_promises_and_leaves_nothing(self):
        over = threading.Event()
        self.start('demo')
        watch = threading.Thread(target=self.measure, args=(over,))
        watch.start()
        try:
            status = self.process.wait(_PATIENCE)
        finally:
            over.set()
            watch.join()
        last = self.said().splitlines()[-1]
        self.assertEqual(0, status, last)
        found = re.fullmatch(r'demo: OK \((\d+) steps, ([\d.]+) s\)', last)
        self.assertIsNotNone(found, last)
        ready, seconds = self.ready_seconds(), float(found[2])
        print(
            f'demo: {seconds} s, ready in {ready} s, {self.most:.0f} MB',
            file=sys.__stderr__,
        )
        self.assertGreater(int(found[1]), 10)
        self.assertLessEqual(ready, READY_SECONDS)
        self.assertLessEqual(seconds, DEMO_SECONDS)
        self.assertGreater(self.most, 50, 'nothing was measured')
        self.assertLess(self.most, MEGABYTES)
        self.assert_nothing_is_left()

    def test_without_demo_it_stays_until_sigterm(self):
        folder = self.folder / 'state'
        self.start('--dir', str(folder))
        self.until(lambda: 'Ctrl-C ends it.' in self.said())
        self.assertLessEqual(self.ready_seconds(), READY_SECONDS)
        self.assertEqual(3, len(self.family()))
        endpoints = json.loads((folder / 'endpoints.json').read_text())
        self.assertEqual({'accelerator', 'image', 'placement'}, set(endpoints))
        for url in endpoints.values():
            self.assertTrue(requests.get(url, timeout=30).ok, url)
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(0, self.process.wait(_PATIENCE), self.said())
        self.assert_nothing_is_left()

    def test_a_scenario_has_hosts_and_cards_of_every_family(self):
        mounted.check()
        path = self.folder / 'scenario.yaml'
        path.write_text(SCENARIO)
        state = self.folder / 'state'
        self.start('--dir', str(state), '--scenario', str(path), '--mount')
        self.until(lambda: 'Ctrl-C ends it.' in self.said())
        # What the agents have read is there for everybody.
        vendor = 'mount/rack1/sys/bus/pci/devices/0000:5e:00.1/vendor'
        self.assertEqual('0x10ee\n', (state / vendor).read_text())
        endpoints = json.loads((state / 'endpoints.json').read_text())
        answer = requests.get(
            f'{endpoints["accelerator"]}/devices',
            headers={'X-Auth-Token': 'admin'},
            timeout=60,
        )
        # Each host has reported by now, and with all of its cards.
        self.assertEqual(
            [
                ('rack1', '0000:3b:00.0'),
                ('rack1', '0000:5e:00.0'),
                ('rack1', '0000:86:00.0'),
                ('rack2', 'ffffffff:ff:00.0'),
                ('rack3', '0000:34:00.0'),
                ('rack3', '0000:36:00.0'),
            ],
            sorted(
                (one['hostname'], one['pci_address'])
                for one in answer.json()['devices']
            ),
        )
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(0, self.process.wait(_PATIENCE), self.said())
        self.assert_nothing_is_left()

    def test_what_is_missing_to_mount_is_told_in_one_line(self):
        self.start('--mount', FUSE_LIBRARY_PATH='/nowhere')
        self.assertEqual(1, self.process.wait(_PATIENCE))
        self.assertEqual(
            'cyborg-fpga-allinone: the hosts cannot be mounted: the library '
            'libfuse3 is not installed (Debian: fuse3)\n',
            self.said(),
        )

    def test_a_scenario_that_is_wrong_is_told_in_one_line(self):
        path = self.folder / 'scenario.yaml'
        path.write_text("cards: [{address: '3b:00.0'}]")
        self.start('--scenario', str(path))
        self.assertEqual(1, self.process.wait(_PATIENCE))
        self.assertEqual(
            "cyborg-fpga-allinone: cards[0].address: '3b:00.0' is not valid\n",
            self.said(),
        )

    def test_killed_it_takes_its_children_along(self):
        self.start('--dir', str(self.folder / 'state'))
        self.until(lambda: 'ready in' in self.said())
        self.assertEqual(3, len(self.family()))
        self.process.kill()
        self.process.wait(_PATIENCE)
        self.assert_nothing_is_left()
