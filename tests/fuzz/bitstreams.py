"""Change good bitstreams at random and read them.

Whatever the bytes are, they are read or refused with our own error, what is
read makes sense, and no more of the file is read than a header may take::

    python -m tests.fuzz.bitstreams --runs 1000000
"""

import argparse
import random
import re
import sys
import time

from cyborg_fpga import errors
from cyborg_fpga.bitstream import formats
from cyborg_fpga.bitstream import header
from cyborg_fpga.bitstream import source
from tests.fixtures import bitstreams

SEEDS = [make() for make in bitstreams.GOOD.values()]

_ID = re.compile('[0-9a-f]{32}')
#: Numbers that hurt, as they may stand in a field.
_NUMBERS = [
    number.to_bytes(size, order)
    for size in (1, 2, 4, 8)
    for number in (0, 1, 2 ** (8 * size - 1), 2 ** (8 * size) - 1)
    for order in ('little', 'big')
]
_TARGET = header.Target(
    name='card', region_ids=(bitstreams.REGION,), capacity=1 << 20
)


def judge(data: bytes) -> bool:
    """Read a file in every way there is; True: it was not refused.

    :raises Exception: Of any kind but ours: a bug was found.
    """
    spent = 0

    def read(offset: int, length: int) -> bytes:
        nonlocal spent
        spent += length
        return data[offset : offset + length]

    accepted = True
    try:
        said = formats.read(source.Source(read, len(data)))
        _check(said, data)
    except errors.BadBitstream:
        accepted = False
    if spent > source.HEAD + source.BUDGET:
        raise AssertionError(f'{spent} bytes were read')
    for act in (
        lambda: formats.verify(data),
        lambda: formats.read(source.beginning(data[: source.HEAD], len(data))),
    ):
        try:
            act()
        except errors.BadBitstream:
            continue
    return accepted


def mutate(rng: random.Random, data: bytes) -> bytes:
    """Change a file in a few places, mostly near its beginning."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        if not changed:
            break
        near = rng.choice((24, 64, 512, len(changed)))
        at = rng.randrange(min(near, len(changed)))
        kind = rng.randrange(7)
        if kind == 0:
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            changed[at] = rng.randrange(256)
        elif kind == 2:
            number = rng.choice(_NUMBERS)
            changed[at : at + len(number)] = number
        elif kind == 3:
            del changed[at:]
        elif kind == 4:
            del changed[at : at + rng.randrange(1, 32)]
        elif kind == 5:
            changed[at:at] = rng.randbytes(rng.randrange(1, 32))
        else:
            other = rng.choice(SEEDS)
            start = rng.randrange(len(other))
            size = rng.randrange(1, 256)
            changed[at : at + size] = other[start : start + size]
    return bytes(changed)


def run(count: int, seed: int) -> int:
    """Judge *count* changed files; how many of them were accepted.

    A bug's file is printed as it was made: by its seed and number.
    """
    accepted = 0
    for number in range(count):
        rng = random.Random(f'{seed}/{number}')
        data = mutate(rng, SEEDS[number % len(SEEDS)])
        try:
            accepted += judge(data)
        except Exception:
            print(f'seed {seed}, file {number}: {data[:200].hex()}')
            raise
    return accepted


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('--runs', type=int, default=1_000_000)
    parser.add_argument('--seed', type=int, default=time.time_ns())
    args = parser.parse_args(argv)
    start = time.monotonic()
    accepted = run(args.runs, args.seed)
    took = time.monotonic() - start
    print(
        f'{args.runs} files with seed {args.seed} in {took:.0f} s: '
        f'{accepted} accepted, the rest refused, nothing else'
    )


def _check(said: header.Header, data: bytes) -> None:
    assert said.size == len(data)
    assert said.payload_offset >= 0
    assert said.payload_size > 0
    assert said.payload_offset + said.payload_size <= said.size
    for found in (said.region_id, said.function_id):
        assert found is None or _ID.fullmatch(found)
    for text in (said.name, said.version, said.platform, said.part):
        assert len(text) <= 1024 and text.isprintable()
    reason = header.fits(said, _TARGET)
    assert reason or said.region_id == bitstreams.REGION


if __name__ == '__main__':
    main(sys.argv[1:])
