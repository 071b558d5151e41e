"""Lets what a virtual FPGA is loaded with compute.

The bitstream that was loaded is looked up by its SHA-256: among the functions
that are shipped, and in a directory of the simulated host, where
``cyborg-fpga-simulator build`` leaves the sources of others. The Verilog that
is found runs as a program that Verilator makes of it, once.
"""

import functools
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading

from oslo_log import log as logging

from cyborg_fpga.simulator import cards
from cyborg_fpga.simulator import functions
from cyborg_fpga.simulator import samples

LOG = logging.getLogger(__name__)

#: Bytes of an answer at most.
OUTPUT_LIMIT = 1 << 20

_MAIN = functions.FOLDER / 'model.cpp'
_BUILD_SECONDS = 300
_RUN_SECONDS = 60
#: Exit codes of the program.
_SAID = {
    3: 'it neither takes more input nor ends its answer',
    4: f'its answer is longer than {OUTPUT_LIMIT} bytes',
}
#: Program -> Debian package.
_TOOLS = {'verilator': 'verilator', 'g++': 'g++', 'make': 'make'}
_WORDS_LIMIT = 400


class CannotRun(Exception):
    """The function gives no answer; the text says why."""


class Models:
    """The programs of one simulated host; thread-safe.

    :param directory: Of the host. Sources are in ``functions`` below it,
        programs in ``models``, and what was loaded in ``state``.
    """

    def __init__(self, directory: pathlib.Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()

    def answer(self, card: cards.Card, function: str, data: bytes) -> bytes:
        """What the region behind a function of *card* answers to *data*.

        :param function: The PCI address that a guest would be given.
        :raises CannotRun: It is not programmed, or as :meth:`run`.
        """
        return self.run(self._loaded(card, function), data)

    def _loaded(self, card: cards.Card, function: str) -> bytes:
        shown = card.describe()
        position = shown['functions'].index(function)
        number = card.bus.port_of(position)
        port = shown['ports'][number]
        if port['loading'] is not None:
            raise CannotRun('it is being programmed')
        if port['broken'] or port['function_id'] == samples.BLANK:
            raise CannotRun('nothing is programmed into it')
        name = f'{card.address}.port{number}.image'
        try:
            return (self._directory / 'state' / name).read_bytes()
        except FileNotFoundError as exc:
            raise CannotRun('it was never programmed here') from exc

    def run(self, image: bytes, data: bytes) -> bytes:
        """What the function that is loaded as *image* answers to *data*.

        The first time of a function takes as long as a compiler does.

        :raises CannotRun: No source is known, or it cannot be run.
        """
        program = self._program(hashlib.sha256(image).hexdigest())
        try:
            ended = subprocess.run(  # noqa: S603 (built by us)
                [program, str(OUTPUT_LIMIT)],
                input=data,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=_RUN_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as exc:
            raise CannotRun(
                f'it has not answered in {_RUN_SECONDS} s'
            ) from exc
        if ended.returncode:
            raise CannotRun(
                _SAID.get(ended.returncode, 'its model ended with an error')
            )
        return ended.stdout

    def _program(self, digest: str) -> pathlib.Path:
        source = _shipped().get(digest) or _kept(self._directory, digest)
        if not source.exists():
            raise CannotRun(
                f'no source is known of a bitstream whose SHA-256 is {digest}'
            )
        program = self._directory / 'models' / digest
        with self._lock:
            if not program.exists():
                _build(source, program)
        return program


def keep(directory: pathlib.Path, image: bytes, source: bytes) -> None:
    """Tell the simulated host in *directory* which source *image* is of."""
    path = _kept(directory, hashlib.sha256(image).hexdigest())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(source)


def _kept(directory: pathlib.Path, digest: str) -> pathlib.Path:
    return directory / 'functions' / f'{digest}.v'


@functools.cache
def _shipped() -> dict[str, pathlib.Path]:
    """Sources by the SHA-256 of their images."""
    return {
        hashlib.sha256(
            functions.load(name).image
        ).hexdigest(): functions.FOLDER / f'{name}.v'
        for name in functions.FUNCTIONS
    }


def _build(source: pathlib.Path, program: pathlib.Path) -> None:
    """Make *program*, all of it or nothing.

    :raises CannotRun: Verilator or its compiler is missing or failed.
    """
    missing = [
        package for tool, package in _TOOLS.items() if not shutil.which(tool)
    ]
    if missing:
        raise CannotRun(
            'where the simulated cards are it needs what is not installed; '
            f'on Debian and Ubuntu: apt-get install {" ".join(missing)}'
        )
    LOG.info('Making the model of %s', source)
    program.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        command = [
            'verilator',
            '--cc',
            '--exe',
            '--build',
            '-O3',
            '-Wno-fatal',
        ]
        command += ['--top-module', 'afu', '--prefix', 'Vafu', '-o', 'model']
        command += ['-MAKEFLAGS', 'OPT_FAST=-O2 OPT_GLOBAL=-O0 OPT_SLOW=-O0']
        command += ['--Mdir', folder, str(source), str(_MAIN)]
        try:
            ended = subprocess.run(  # noqa: S603 (our own arguments)
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=_BUILD_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as exc:
            raise CannotRun(
                f'Verilator has not ended in {_BUILD_SECONDS} s'
            ) from exc
        if ended.returncode:
            words = ended.stdout.decode(errors='replace')
            LOG.warning('Verilator failed: %s', words)
            raise CannotRun(f'Verilator failed: {words[:_WORDS_LIMIT]}')
        os.replace(pathlib.Path(folder) / 'model', program)
