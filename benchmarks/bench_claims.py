"""Claims per second through HTTP, beside what Placement alone can do.

Both with eight clients, on the same Placement, one after the other in
slices, so that a noisy machine is as noisy to one as to the other. The
service runs as a user starts it, in processes of its own: the clients here
take as much of the machine from the one as from the other.
"""

import concurrent.futures
import itertools
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from contextlib import contextmanager

import yaml

from cyborg_fpga.cmd import allinone
from cyborg_fpga.cmd import demo_http

FIGURES = (
    'claims.rate',
    'claims.placement_rate',
    'claims.ratio',
    'claims.cpu',
)

_CLIENTS = 8
_CARDS = 64
_VFS = 8
_SLICES = 4
# Enough for the clients' common start and end not to count.
_SLICE = 80
_VF = 'CUSTOM_FPGA_INTEL_VF'
_STOP_SECONDS = 30


def run(wanted):
    with tempfile.TemporaryDirectory(prefix='cyborg-fpga-') as name:
        folder = pathlib.Path(name)
        scenario = folder / 'wanted.yaml'
        scenario.write_text(yaml.safe_dump({'cards': _cards()}))
        with started(folder / 'state', scenario) as service:
            endpoints = json.loads(
                (folder / 'state' / 'endpoints.json').read_text()
            )
            spent = _measure(endpoints, service.pid)
    total = _SLICES * _SLICE
    yield 'claims.rate', total / spent['ours'], 'claims/s'
    yield 'claims.placement_rate', total / spent['bare'], 'allocations/s'
    yield 'claims.ratio', 100 * spent['bare'] / spent['ours'], '%'
    yield 'claims.cpu', 1000 * spent['cpu'] / total, 'ms/claim'


@contextmanager
def started(state, scenario):
    command = [
        sys.executable,
        '-m',
        'cyborg_fpga.cmd.allinone',
        f'--dir={state}',
        f'--scenario={scenario}',
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True
    ) as service:
        try:
            said = service.stdout.readline()
            if not said.startswith('ready'):
                raise RuntimeError('the service did not start')
            yield service
        finally:
            service.send_signal(signal.SIGTERM)
            try:
                service.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                service.kill()


def _cards():
    return [
        {
            'address': f'0000:{3 * number + 16:02x}:00.0',
            'family': 'PAC_D5005',
            'vfs': _VFS,
        }
        for number in range(_CARDS)
    ]


def _measure(endpoints, pid):
    """Seconds that all claims and all bare allocations took.

    ``cpu``: of the processor, by the service's own process for the claims.
    """
    placement = demo_http.Http(
        endpoints['placement'], 'admin', 'placement 1.39'
    )
    clients = _Clients(endpoints)
    spent = {'ours': 0.0, 'bare': 0.0, 'cpu': 0.0}
    with concurrent.futures.ThreadPoolExecutor(_CLIENTS) as pool:
        list(pool.map(clients.claim, range(_CLIENTS)))
        for _ in range(_SLICES):
            busy = _cpu(pid)
            started = time.perf_counter()
            list(pool.map(clients.claim, range(_SLICE)))
            spent['ours'] += time.perf_counter() - started
            spent['cpu'] += _cpu(pid) - busy
            free = _emptiest(placement)
            started = time.perf_counter()
            made = list(pool.map(clients.allocate, free))
            spent['bare'] += time.perf_counter() - started
            # Room for the next slice of claims, as if it had not been.
            for consumer in made:
                placement.delete(f'/allocations/{consumer}')
    return spent


def _cpu(pid):
    """Processor time of a process so far, its threads included."""
    stat = pathlib.Path(f'/proc/{pid}/stat').read_text()
    user, system = stat.rpartition(')')[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf('SC_CLK_TCK')


class _Clients:
    """One connection per thread and service, as real clients keep it."""

    def __init__(self, endpoints):
        self._endpoints = endpoints
        self._local = threading.local()

    def _of(self, service, token, version):
        if not hasattr(self._local, service):
            made = demo_http.Http(self._endpoints[service], token, version)
            setattr(self._local, service, made)
        return getattr(self._local, service)

    def claim(self, _):
        api = self._of(
            'accelerator', 'alice:demo:member,reader', 'accelerator 2.3'
        )
        api.post('/claims', {'resource_class': _VF})

    def allocate(self, provider):
        consumer = str(uuid.uuid4())
        self._of('placement', 'admin', 'placement 1.39').call(
            'PUT',
            f'/allocations/{consumer}',
            json={
                'allocations': {provider: {'resources': {_VF: 1}}},
                'project_id': 'bench',
                'user_id': 'bench',
                'consumer_generation': None,
                'consumer_type': 'FPGA_CLAIM',
            },
        )
        return consumer


def _emptiest(placement):
    """Providers of a slice's free units, evenly: the emptiest first."""
    used = placement.usages(allinone.HOSTNAME)
    units = sorted(
        (number, entry['uuid'])
        for entry in placement.inventories(allinone.HOSTNAME)
        if entry['resource_class'] == _VF
        for number in range(used[entry['name']], entry['total'])
    )
    return [provider for _, provider in itertools.islice(units, _SLICE)]
