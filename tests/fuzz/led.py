"""The same as :mod:`tests.fuzz.bitstreams`, led by coverage: tox -e fuzz.

Needs atheris; takes the options of libFuzzer, ``-runs=1000000``.
"""

import sys

import atheris

from tests.fixtures import folders

with atheris.instrument_imports(include=['cyborg_fpga.bitstream']):
    from tests.fuzz import bitstreams


def main(argv: list[str]) -> None:
    folder = folders.own()
    for number, data in enumerate(bitstreams.SEEDS):
        (folder / str(number)).write_bytes(data)
    atheris.Setup(
        [argv[0], '-max_len=8192', *argv[1:], str(folder)], bitstreams.judge
    )
    atheris.Fuzz()


if __name__ == '__main__':
    main(sys.argv)
