"""The one way in which drivers touch the kernel's files.

Paths are relative to the two roots, which makes every driver run against a
simulated host or a captured tree without knowing it. Errors of the kernel
come out as the :class:`OSError` that they are.
"""

import array
import ctypes
import errno
import fcntl
import functools
import glob
import mmap
import os
import pathlib
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from typing import NamedTuple

from cyborg_fpga import errors
from cyborg_fpga.drivers import holders
from cyborg_fpga.drivers import slow

#: In a tool's arguments: where the image is, and where to write a report.
IMAGE, REPORT = '{image}', '{report}'
#: Where vendors install their tools.
TOOLS = (
    '/opt/xilinx/xrt/bin',
    '/usr/local/sbin',
    '/usr/local/bin',
    '/usr/sbin',
    '/usr/bin',
    '/sbin',
    '/bin',
)
_OUTPUT_LIMIT = 1 << 16
_REPORT_LIMIT = 1 << 20
#: In place of a function: the chip may hold anything.
UNKNOWN = 'unknown'
#: Our directory among the kernel's firmware.
_OURS = 'cyborg-fpga'
_CHUNK = 1 << 20
#: Where the structures of all loading requests have it.
_ADDRESS_AT = 16
#: Attributes whose writer waits for guests.
_BLOCKING = ('sriov_numvfs', 'bind', 'unbind', 'reset')


class Ended(NamedTuple):
    """What a tool left.

    :ivar output: Of both kinds, its end.
    :ivar report: What it wrote to the file it was told.
    """

    code: int
    output: str
    report: str


class Sysfs:
    """Read and write attributes, call device nodes.

    Safe to share between threads: it keeps nothing open.

    :param tools: Directories in which vendors' tools are looked for; empty:
        :data:`TOOLS`.
    :ivar patience: Seconds to wait for an attribute that may block.
    """

    patience = 30.0

    def __init__(
        self,
        sysroot: str = '/sys',
        devroot: str = '/dev',
        *,
        firmware: str = '/lib/firmware',
        tools: Sequence[str] = (),
    ) -> None:
        self._tools = ':'.join(tools or TOOLS)
        self._sysroot = sysroot
        self._devroot = devroot
        self._firmware = pathlib.Path(firmware) / _OURS

    @property
    def is_kernels(self) -> bool:
        """Whether it is what the kernel of this machine shows."""
        return self._sysroot == '/sys'

    def read(self, path: str) -> str:
        """Read a text attribute, without the newline that ends it."""
        return self.read_bytes(path).decode(errors='replace').strip()

    def read_bytes(self, path: str, limit: int = 65536) -> bytes:
        """Read at most *limit* bytes of an attribute such as ``config``."""
        with open(self._path(path), 'rb', buffering=0) as attribute:
            # A sysfs attribute comes whole out of the first read().
            return attribute.read(limit) or b''

    def write(self, path: str, text: str) -> None:
        """Write *text* in a single write(), as attributes want it.

        :raises OSError: What the kernel answered; ETIMEDOUT or EBUSY for an
            attribute that may block, see :mod:`.slow`.
        """
        if path.rpartition('/')[2] not in _BLOCKING:
            self._write(path, text)
            return
        slow.call(
            self._path(path),
            functools.partial(self._write, path, text),
            self.patience,
        )

    def _write(self, path: str, text: str) -> None:
        fd = os.open(self._path(path), os.O_WRONLY)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)

    def listdir(self, path: str) -> list[str]:
        return sorted(os.listdir(self._path(path)))

    def glob(self, pattern: str) -> list[str]:
        """Paths that match *pattern*, sorted; [] where none does."""
        self._path(pattern)
        return sorted(glob.glob(pattern, root_dir=self._sysroot))

    def exists(self, path: str) -> bool:
        return os.path.exists(self._path(path))

    def readlink(self, path: str) -> str:
        """The link's own text, e.g. ``../0000:3b:10.0``."""
        return os.readlink(self._path(path))

    def instance(self, path: str) -> int:
        """What tells a directory from one that was there under its name.

        A device that is removed from its bus and found again has another.
        """
        return os.stat(self._path(path)).st_ino

    def resolve(self, path: str) -> str:
        """Where *path* leads once every link is followed, from the root."""
        return os.path.relpath(
            os.path.realpath(self._path(path)), os.path.realpath(self._sysroot)
        )

    def boot_id(self) -> str:
        """What changes with every start of the kernel, 8 hex digits."""
        text = pathlib.Path('/proc/sys/kernel/random/boot_id').read_text()
        return text[:8]

    def load_firmware(
        self,
        manager: int,
        image: pathlib.Path,
        *,
        offset: int,
        function: str,
        partial: bool,
    ) -> None:
        """Let FPGA manager number *manager* load *image*; blocks for that.

        Its 32-bit words go to the kernel with their bytes swapped, as these
        managers take them. The kernel cannot be asked afterwards what it has
        loaded, so that is recorded beside the kernel's firmware, for
        :meth:`loaded_firmware`: until the next start of the kernel, and as
        :data:`UNKNOWN` from when the kernel is asked until it has done it.

        :param offset: Where the part of *image* begins that is loaded.
        :param function: 32 hex digits, for the record.
        :param partial: It replaces a part of what is loaded.
        :raises OSError: What the kernel answered.
        """
        self._firmware.mkdir(mode=0o755, exist_ok=True)
        loading = self._firmware / f'fpga{manager}.loading'
        path = f'class/fpga_manager/fpga{manager}'
        try:
            _swap(image, offset, loading)
            self._note(manager, UNKNOWN)
            self.write(f'{path}/flags', '1' if partial else '0')
            self.write(f'{path}/firmware', f'{_OURS}/{loading.name}')
        finally:
            loading.unlink(missing_ok=True)
        self._note(manager, function)

    def loaded_firmware(self, manager: int) -> str | None:
        """The *function* of the last load since the kernel started.

        :data:`UNKNOWN` where that load has not succeeded (yet): the chip may
        hold what it was given, what it held before, or half of it.
        """
        pattern = self._record(manager, '*')
        found = {r.name.split('.')[1] for r in self._firmware.glob(pattern)}
        # An agent can have died between two steps of :meth:`_note`.
        return UNKNOWN if len(found) > 1 else next(iter(found), None)

    def _note(self, manager: int, function: str) -> None:
        """Make *function* the only record; at no moment there is none."""
        wanted = self._firmware / self._record(manager, function)
        wanted.touch()
        for record in self._firmware.glob(f'fpga{manager}.*'):
            if record.name not in (wanted.name, f'fpga{manager}.loading'):
                record.unlink()

    def _record(self, manager: int, function: str) -> str:
        return f'fpga{manager}.{function}.{self.boot_id()}'

    def opened_by(self, nodes: Sequence[str]) -> list[holders.Holder]:
        """The processes that have any of the device nodes open."""
        return holders.find(self._devroot, nodes)

    def has_tool(self, tool: str) -> bool:
        """Whether a vendor's tool is installed here."""
        return self._tool(tool) is not None

    def run(
        self,
        tool: str,
        arguments: Sequence[str],
        *,
        image: pathlib.Path | None = None,
        seconds: float,
    ) -> Ended:
        """Run a vendor's tool to its end; blocks as long as it takes.

        :param arguments: :data:`IMAGE` among them stands for *image*, and
            :data:`REPORT` for a file that does not exist yet, whose text
            comes back.
        :raises OSError: ENOENT, it is not installed; ETIMEDOUT, it has not
            ended in time and was killed.
        """
        path = self._tool(tool)
        if path is None:
            raise OSError(errno.ENOENT, f'{tool} is not installed')
        # Some are scripts, which need the system's own programs.
        programs = ':'.join((self._tools, *TOOLS))
        with tempfile.TemporaryDirectory() as folder:
            report = pathlib.Path(folder) / 'report'
            places = {IMAGE: str(image), REPORT: str(report)}
            try:
                ended = subprocess.run(  # noqa: S603
                    [path, *(places.get(word, word) for word in arguments)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    env={'PATH': programs, 'LC_ALL': 'C'},
                    timeout=seconds,
                    check=False,
                )
            except subprocess.TimeoutExpired as exc:
                raise OSError(
                    errno.ETIMEDOUT, f'{tool} has not ended in {seconds} s'
                ) from exc
            text = report.read_bytes() if report.exists() else b''
        return Ended(
            ended.returncode,
            ended.stdout[-_OUTPUT_LIMIT:].decode(errors='replace'),
            text[:_REPORT_LIMIT].decode(errors='replace'),
        )

    def run_function(self, address: str, data: bytes) -> bytes:
        """What the function behind *address* answers to *data*.

        Of simulated cards only; the first time it takes a minute.

        :param address: A PCI function that a guest could be given.
        :raises errors.CannotRun: The card is a real one, has no such
            function, or that gives no answer.
        """
        raise errors.CannotRun(
            address=address,
            reason='its card is a real one, which computes only for who has '
            'its PCI function',
        )

    def ioctl(
        self,
        node: str,
        request: int,
        arg: bytes,
        *,
        image: pathlib.Path | None = None,
        offset: int = 0,
    ) -> bytes:
        """Send *request* to the device node; blocks as long as it does.

        :param node: Name below the device root, ``dfl-fme.0``.
        :param arg: The packed structure; empty passes no argument at all.
        :param image: Is mapped into memory for the call; the address of its
            byte *offset* then replaces the 8 bytes at 16 of *arg*.
        :returns: What the kernel has made of *arg*.
        :raises OSError: What the kernel answered, or EINVAL for an *image*
            that ends before *offset*.
        """
        if image is None:
            return self._call(node, request, arg)
        with open(image, 'rb') as file:
            if os.fstat(file.fileno()).st_size <= offset:
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            # Private and writable only because ctypes hands out addresses
            # of writable buffers alone; nothing is ever written.
            with mmap.mmap(
                file.fileno(), 0, access=mmap.ACCESS_COPY
            ) as mapping:
                first = ctypes.c_char.from_buffer(mapping, offset)
                try:
                    address = ctypes.addressof(first)
                    middle = address.to_bytes(8, 'little')
                    packed = arg[:_ADDRESS_AT] + middle
                    packed += arg[len(packed) :]
                    return self._call(node, request, packed)
                finally:
                    # The mapping cannot be closed while it is exported.
                    del first

    def _tool(self, name: str) -> str | None:
        return shutil.which(name, path=self._tools)

    def _call(self, node: str, request: int, arg: bytes) -> bytes:
        path = self._below(self._devroot, node)
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            # An immutable argument is what makes Python let other threads
            # run meanwhile. Requests without argument refuse a pointer.
            answer = fcntl.ioctl(fd, request, arg or 0)
            return answer if isinstance(answer, bytes) else b''
        finally:
            os.close(fd)

    def _path(self, path: str) -> str:
        return self._below(self._sysroot, path)

    @staticmethod
    def _below(root: str, path: str) -> str:
        if path.startswith('/') or '..' in path.split('/'):
            raise ValueError(f'not below the root: {path!r}')
        return os.path.join(root, path)


def _swap(source: pathlib.Path, offset: int, target: pathlib.Path) -> None:
    """Copy what is behind *offset* with the bytes of each word swapped."""
    with open(source, 'rb') as image, open(target, 'wb') as out:
        image.seek(offset)
        while chunk := image.read(_CHUNK):
            # The end of a configuration is padded with no-operations; what
            # is short of a word is none.
            words = array.array('I', chunk[: len(chunk) // 4 * 4])
            words.byteswap()
            out.write(words.tobytes())
