"""The ``openstack`` command, as often as it is wanted for one start of Python.

Reads the words of a command as a JSON list per line and answers with a JSON
object per line. Each runs in a fork, since the libraries remember who logged
in; what it calls is what the console script calls.
"""

import contextlib
import io
import json
import os
import signal
import sys
import tempfile
import traceback
from typing import Any

from openstackclient import shell

_SECONDS = 300


def run(words: list[str]) -> dict[str, Any]:
    with (
        tempfile.TemporaryFile('w+') as out,
        tempfile.TemporaryFile('w+') as err,
    ):
        child = os.fork()
        if not child:
            # Nobody waits for a command that hangs.
            signal.alarm(_SECONDS)
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            os._exit(end(words))
        _, status = os.waitpid(child, 0)
        out.seek(0)
        err.seek(0)
        return {
            'code': os.waitstatus_to_exitcode(status),
            'out': out.read(),
            'err': err.read(),
        }


def end(words: list[str]) -> int:
    """Run it to its end; the exit code."""
    try:
        code = int(shell.main(words))
    except SystemExit as exc:
        code = int(exc.code or 0)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


# What this imports each fork has.
with contextlib.redirect_stdout(io.StringIO()):
    end(['accelerator', 'device', 'list', '--help'])
for line in sys.stdin:
    print(json.dumps(run(json.loads(line))), flush=True)
