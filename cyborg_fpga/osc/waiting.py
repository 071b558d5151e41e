"""Wait for operations and claims, showing how far they are."""

import argparse
import sys
import time
from collections.abc import Iterable
from typing import Any
from typing import TextIO

from osc_lib import exceptions

from cyborg_fpga.osc import client

_FIRST_PAUSE = 0.3
_LONGEST_PAUSE = 2.0
_BAR = 30

#: States in which something still happens.
CLAIM_MOVING = ('claiming', 'programming')
OPERATION_MOVING = ('pending', 'running')


def add_option(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument(
        '--wait', action='store_true', help=f'Wait until {what}.'
    )


class Bar:
    """Progress on a terminal; elsewhere a line where something changes.

    It writes to standard error, so that ``-f json`` stays readable.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._last = ''

    def show(self, percent: int, text: str) -> None:
        percent = max(0, min(100, percent))
        if self._stream.isatty():
            full = percent * _BAR // 100
            bar = '#' * full + '.' * (_BAR - full)
            line = f'[{bar}] {percent:3d} % {text}'
            # Whatever a longer line before it left is blanked out.
            self._stream.write(f'\r{line:<{len(self._last)}}')
            self._last = line
        elif text != self._last:
            self._stream.write(f'{text} ({percent} %)\n')
            self._last = text
        self._stream.flush()

    def end(self) -> None:
        if self._stream.isatty() and self._last:
            self._stream.write('\n')
        self._last = ''


class Pauses:
    """Sleep between two looks: short at first, then longer."""

    def __init__(self) -> None:
        self._next = _FIRST_PAUSE

    def sleep(self) -> None:
        time.sleep(self._next)
        self._next = min(self._next * 1.5, _LONGEST_PAUSE)


def operation(api: client.Client, uuid: str) -> dict[str, Any]:
    """Follow an operation to its end and return it.

    :raises exceptions.CommandError: It failed or was cancelled.
    """
    bar, pauses = Bar(), Pauses()
    try:
        while True:
            found = api.get(f'/operations/{uuid}')
            _show(bar, [found])
            if found['state'] not in OPERATION_MOVING:
                break
            pauses.sleep()
    finally:
        bar.end()
    if found['state'] != 'succeeded':
        raise exceptions.CommandError(
            f'Operation {uuid} {found["state"]}: {_cause(found)}'
        )
    return found


def claim(api: client.Client, uuid: str) -> dict[str, Any]:
    """Follow a claim until it is ready and return it.

    :raises exceptions.CommandError: It failed; the text is its fault.
    """
    bar, pauses = Bar(), Pauses()
    try:
        while True:
            found = api.get(f'/claims/{uuid}')
            if found['state'] not in CLAIM_MOVING:
                break
            _show(bar, _operations(api, found))
            pauses.sleep()
        if found['state'] == 'ready':
            bar.show(100, 'ready')
    finally:
        bar.end()
    if found['state'] != 'ready':
        raise exceptions.CommandError(
            f'Claim {uuid} is {found["state"]}: {fault(found)}'
        )
    return found


def release(api: client.Client, uuid: str) -> None:
    """Wait until a claim is gone.

    :raises exceptions.CommandError: It came to rest without being gone.
    """
    bar, pauses = Bar(), Pauses()
    try:
        while True:
            try:
                found = api.get(f'/claims/{uuid}')
            except client.NotFound:
                bar.show(100, 'released')
                return
            if found['state'] != 'releasing':
                break
            _show(bar, _operations(api, found), 'releasing: ')
            pauses.sleep()
    finally:
        bar.end()
    raise exceptions.CommandError(
        f'Claim {uuid} is {found["state"]}: {fault(found)}'
    )


def fault(found: dict[str, Any]) -> str:
    """Why a claim failed, in the service's words."""
    said = found.get('fault') or {}
    if isinstance(said, str):
        return said
    return str(said.get('message') or 'the service gave no reason')


def _cause(found: dict[str, Any]) -> str:
    parts = (found.get('cause'), found.get('detail'))
    return ': '.join(str(part) for part in parts if part) or 'no cause given'


def _operations(
    api: client.Client, found: dict[str, Any]
) -> list[dict[str, Any]]:
    """The claim's operations that have not ended."""
    every = []
    for uuid in found.get('operation_uuids', []):
        try:
            every.append(api.get(f'/operations/{uuid}'))
        except client.NotFound:
            # Finished and purged between the two requests.
            continue
    moving = [one for one in every if one['state'] in OPERATION_MOVING]
    return moving or every[-1:]


def _show(
    bar: Bar, operations: Iterable[dict[str, Any]], prefix: str = ''
) -> None:
    """Several cards are as far as the one that is behind."""
    slowest = min(
        operations, key=lambda one: int(one.get('progress') or 0), default=None
    )
    if slowest is None:
        bar.show(0, f'{prefix}pending')
    else:
        text = slowest.get('step') or slowest['state']
        bar.show(int(slowest.get('progress') or 0), f'{prefix}{text}')
