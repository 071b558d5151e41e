"""The child process with Placement and Glance, as a process."""

import concurrent.futures
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import uuid

import fixtures
import psutil
import requests
from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga.clients import glance
from cyborg_fpga.clients import placement
from cyborg_fpga.simulator import cloud
from tests.fixtures import cloud as cloud_fixture


def wait_until(condition, seconds=15.0):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError('it did not happen')
        time.sleep(0.05)


def is_gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class TestCloud(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.data = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def start(self, **ports):
        found = cloud.Cloud(self.data, **ports)
        self.addCleanup(found.stop)
        found.start()
        return found

    def test_what_was_written_is_there_after_a_restart(self):
        first = self.start()
        conf = cloud_fixture.configuration(first.options())
        root = placement.Placement(conf).create_root('node1')
        first.stop()
        second = self.start()
        conf = cloud_fixture.configuration(second.options())
        self.assertEqual(
            root, placement.Placement(conf).find_provider('node1')
        )
        self.assertRaises(
            errors.NotFound, glance.Glance(conf).get, str(uuid.uuid4())
        )

    def test_a_taken_port_is_replaced_and_a_free_one_used(self):
        with socket.socket() as taken, socket.socket() as probe:
            taken.bind(('127.0.0.1', 0))
            taken.listen()
            probe.bind(('127.0.0.1', 0))
            free = probe.getsockname()[1]
            busy = taken.getsockname()[1]
            probe.close()
            found = self.start(placement_port=busy, glance_port=free)
        self.assertFalse(found.endpoints['placement'].endswith(f':{busy}'))
        self.assertEqual(f'http://127.0.0.1:{free}', found.endpoints['image'])

    def test_it_is_small(self):
        found = self.start()
        used = psutil.Process(found.pid).memory_info().rss
        self.assertLess(used >> 20, 200)

    def test_stop_ends_it_and_may_be_repeated(self):
        found = self.start()
        pid = found.pid
        found.stop()
        self.assertTrue(is_gone(pid))
        self.assertEqual({}, found.endpoints)
        found.stop()

    def test_sigterm_ends_it(self):
        found = self.start()
        os.kill(found.pid, signal.SIGTERM)
        wait_until(lambda: is_gone(found.pid))

    def test_it_ends_with_its_parent_however_that_ends(self):
        script = (
            'import sys, time\n'
            'from cyborg_fpga.simulator import cloud\n'
            'found = cloud.Cloud(sys.argv[1])\n'
            'found.start()\n'
            'print(found.pid, flush=True)\n'
            'time.sleep(60)\n'
        )
        parent = subprocess.Popen(
            [sys.executable, '-c', script, str(self.data)],
            stdout=subprocess.PIPE,
        )
        self.addCleanup(parent.stdout.close)
        self.addCleanup(parent.wait)
        self.addCleanup(parent.kill)
        pid = int(parent.stdout.readline())
        self.assertFalse(is_gone(pid))
        parent.kill()
        wait_until(lambda: is_gone(pid))

    def test_a_start_that_fails_says_why(self):
        (self.data / 'placement.db').mkdir()
        found = cloud.Cloud(self.data)
        self.addCleanup(found.stop)
        exc = self.assertRaises(RuntimeError, found.start)
        self.assertIn('unable to open database file', str(exc))


class TestServices(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(cloud_fixture.Cloud())

    def test_writes_at_once_are_all_done(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            runs = [pool.submit(self.cloud.upload) for _ in range(24)]
        self.assertEqual(24, len({run.result() for run in runs}))

    def test_without_a_token_nothing_is_shown(self):
        url = self.cloud.endpoints['image']
        answer = requests.get(
            f'{url}/v2/images',
            # Whoever says so himself is not believed.
            headers={'X-User-Id': 'admin', 'X-Roles': 'admin'},
            timeout=10,
        )
        self.assertEqual(401, answer.status_code)

    def test_the_token_says_who_asks(self):
        private = self.cloud.upload(token='alice:a', visibility='private')
        seen = {
            token: private
            in {i.id for i in self.cloud.glance(token).images.list()}
            for token in ('alice:a', 'bob:b', 'carol:a:reader', 'admin')
        }
        self.assertEqual(
            {
                'alice:a': True,
                'bob:b': False,
                'carol:a:reader': True,
                'admin': True,
            },
            seen,
        )
