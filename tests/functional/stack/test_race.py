"""Eight processes, two conductors, one handle, through HTTP and Placement."""

import json
import os
import pathlib
import subprocess
import sys
import urllib.parse

from tests.functional.stack import base

_CONTENDERS = 8
_ROUNDS = 50
#: Share of the rounds in which the reservation itself had to decide.
_CONTESTED = 0.3

_ONE_CARD = """
cards:
  - {address: '0000:3b:00.0', family: PAC_A10,
     program_fixed: 0, program_rate: 1000000000}
"""


class Contenders:
    """Processes that wait at one gate."""

    def __init__(self, url: str) -> None:
        where = urllib.parse.urlsplit(url)
        exit_, self._gate = os.pipe()
        self._processes = [
            subprocess.Popen(
                [
                    sys.executable,
                    '-I',
                    str(pathlib.Path(__file__).with_name('contender.py')),
                    str(where.hostname),
                    str(where.port),
                    str(exit_),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                bufsize=1,
                pass_fds=(exit_,),
            )
            for _ in range(_CONTENDERS)
        ]
        os.close(exit_)

    def race(self, body: dict) -> list[tuple[int, dict]]:
        """Let all ask for the same at once; what each was answered."""
        for process in self._processes:
            process.stdin.write(json.dumps(body) + '\n')
        for process in self._processes:
            if process.stdout.readline() != 'ready\n':
                raise AssertionError('a contender is not ready')
        os.write(self._gate, b'.' * _CONTENDERS)
        return [
            tuple(json.loads(process.stdout.readline()))
            for process in self._processes
        ]

    def close(self) -> None:
        os.close(self._gate)
        for process in self._processes:
            process.stdin.close()
            process.kill()
            process.wait()
            process.stdout.close()


class RaceTest(base.StackTest):
    conductors = 2
    scenario = _ONE_CARD
    settings = {'conductor': {'deadline_min': 30, 'lease_seconds': 10}}

    def test_the_last_handle_has_one_winner(self):
        contenders = Contenders(self.stack.url)
        self.addCleanup(contenders.close)
        contested = 0
        for _ in range(_ROUNDS):
            answers = contenders.race(self.wish())
            won = [body for status, body in answers if status in (201, 202)]
            lost = [body for status, body in answers if status == 409]
            self.assertEqual(1, len(won), answers)
            self.assertEqual(_CONTENDERS - 1, len(lost), answers)
            self.assertEqual(1, self._usage())
            contested += any(map(_refused_by_the_reservation, lost))
            self.stack.release(won[0]['uuid'])
        self.assert_released()
        self.assertGreaterEqual(contested, _CONTESTED * _ROUNDS)

    def _usage(self):
        usages = self.stack.placement.usages(self.stack.hostname)
        return sum(usages.values())


class MariaDBRaceTest(RaceTest):
    backend = 'mariadb'


def _refused_by_the_reservation(body: dict) -> bool:
    """It saw the handle free, and found it taken in the transaction."""
    error = json.loads(body['error_message'])
    return error['code'] == 'fpga.no_capacity' and (
        'taken meanwhile' in error['faultstring']
    )
