"""An agent's executor in a process of its own, to be killed.

Arguments: its directory, the simulated host's directory, the address of the
conductor's socket. One operation per line of standard input, as JSON; ends
with the input.
"""

import json
import multiprocessing.connection
import pathlib
import sys

from oslo_service import backend

backend.init_backend(backend.BackendType.THREADING)

from cyborg_fpga import errors  # noqa: E402
from cyborg_fpga import model  # noqa: E402
from cyborg_fpga.agent import executor  # noqa: E402
from cyborg_fpga.agent import journal  # noqa: E402
from cyborg_fpga.drivers import intel_dfl  # noqa: E402
from cyborg_fpga.simulator import accessor  # noqa: E402
from tests.fixtures import handing  # noqa: E402


class Conductor:
    """Sends every call through a socket to the test's conductor."""

    def __init__(self, address):
        self._address = address

    def begin(self, ctx, uuid, fence, *, attempt):
        self._call('begin', uuid, fence, attempt)

    def progress(self, ctx, status):
        self._call('progress', status.to_wire())

    def finish(self, ctx, status):
        self._call('finish', status.to_wire())

    def _call(self, *call):
        with multiprocessing.connection.Client(self._address) as wire:
            wire.send(call)
            refused = wire.recv()
        if refused:
            raise errors.StaleFence(operation=call[1], fence=call[2])


def main(directory, simulated, address):
    path = pathlib.Path(directory)
    driver = intel_dfl.IntelDFLDriver(accessor.SimulatedSysfs(simulated))
    driver.blank_images = {
        file.stem: file
        for file in pathlib.Path(simulated, 'blank').glob('*.gbs')
    }

    def download(ident, start=0):
        yield (path / 'images' / ident).read_bytes()[start:]

    entries = journal.Journal(path / 'state')
    entries.open()
    _, images = handing.custody_of(path, 2**24, download)
    running = executor.Executor(
        entries,
        {driver.name: driver},
        images,
        Conductor(address),
        changed=lambda: None,
    )
    running.start()
    running.learn(driver.discover())
    print('ready', flush=True)
    for line in sys.stdin:
        operation = model.Operation.from_wire(json.loads(line))
        print(json.dumps(running.run(operation).to_wire()), flush=True)
    running.stop()
    entries.close()


if __name__ == '__main__':
    main(*sys.argv[1:])
