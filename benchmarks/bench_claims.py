"""Claims per second through HTTP, beside what Placement alone can do.

Both with eight clients, on the same Placement, one after the other in
chunks, so that a noisy machine is as noisy to one as to the other.
"""

import concurrent.futures
import pathlib
import tempfile
import threading
import time
import uuid

import yaml

from cyborg_fpga.cmd import allinone
from cyborg_fpga.cmd import demo_http

FIGURES = ('claims.rate', 'claims.placement_rate', 'claims.ratio')

_CLIENTS = 8
_CARDS = 64
_VFS = 8
_CHUNKS = 6
_CHUNK = 32
_VF = 'CUSTOM_FPGA_INTEL_VF'


def run(wanted):
    with tempfile.TemporaryDirectory(prefix='cyborg-fpga-') as folder:
        scenario = pathlib.Path(folder) / 'wanted.yaml'
        scenario.write_text(yaml.safe_dump({'cards': _cards()}))
        everything = allinone.AllInOne(
            pathlib.Path(folder) / 'state', scenario
        )
        try:
            everything.start()
            ours, bare = _measure(everything.endpoints)
        finally:
            everything.stop()
    yield 'claims.rate', ours, 'claims/s'
    yield 'claims.placement_rate', bare, 'allocations/s'
    yield 'claims.ratio', 100 * ours / bare, '%'


def _cards():
    return [
        {
            'address': f'0000:{3 * number + 16:02x}:00.0',
            'family': 'PAC_D5005',
            'vfs': _VFS,
        }
        for number in range(_CARDS)
    ]


def _measure(endpoints):
    """Mean rates of claims and of bare allocations."""
    placement = demo_http.Http(
        endpoints['placement'], 'admin', 'placement 1.39'
    )
    clients = _Clients(endpoints)
    spent = {'ours': 0.0, 'bare': 0.0}
    with concurrent.futures.ThreadPoolExecutor(_CLIENTS) as pool:
        list(pool.map(clients.claim, range(_CLIENTS)))
        for _ in range(_CHUNKS):
            started = time.perf_counter()
            list(pool.map(clients.claim, range(_CHUNK)))
            spent['ours'] += time.perf_counter() - started
            free = _emptiest(placement)
            started = time.perf_counter()
            made = list(pool.map(clients.allocate, free))
            spent['bare'] += time.perf_counter() - started
            # Room for the next chunk of claims, as if it had not been.
            for consumer in made:
                placement.delete(f'/allocations/{consumer}')
    total = _CHUNKS * _CHUNK
    return total / spent['ours'], total / spent['bare']


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
    """Providers of VFs, as many as a chunk has requests, each once."""
    used = placement.usages(allinone.HOSTNAME)
    found = [
        entry
        for entry in placement.inventories(allinone.HOSTNAME)
        if entry['resource_class'] == _VF
    ]
    found.sort(key=lambda entry: used[entry['name']])
    return [entry['uuid'] for entry in found[:_CHUNK]]
