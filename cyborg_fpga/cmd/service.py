"""What every long-running process of ours does: configure, run, end."""

import gc
import importlib.metadata
import signal
import sys
import threading
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import Protocol

import oslo_messaging as messaging
from oslo_config import cfg
from oslo_log import log as logging

from cyborg_fpga import conf as our_conf
from cyborg_fpga import errors
from cyborg_fpga import rpc

LOG = logging.getLogger(__name__)

# What says that an option has a wrong value; the rest may pass by itself.
_BAD_VALUE = (cfg.Error, errors.InvalidInput)
_BAD_START = (*_BAD_VALUE, errors.FPGAError, OSError)

# A driver that is not there is our line to say, not its.
_LOG_LEVELS = ['stevedore=ERROR']


class Service(Protocol):
    """Something that works in threads of its own between two calls."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


def main(
    program: str,
    build: Callable[[cfg.ConfigOpts], Service],
    argv: Sequence[str] | None = None,
) -> int:
    """Run the service that *build* makes until SIGTERM or SIGINT.

    One process and no launcher: a signal hits what does the work.

    :returns: The exit code: 0 after a signal, 2 for a wrong configuration,
        1 where the service cannot start. Both say why in one line.
    """
    conf = cfg.CONF
    try:
        configure(conf, program, argv)
    except (cfg.Error, ValueError) as exc:
        return complain(program, exc)
    try:
        service = build(conf)
        # Starting waits for a message bus that is away: a signal must end
        # the process then too.
        _on_signals(signal.SIG_DFL)
        service.start()
    except _BAD_START as exc:
        return complain(program, exc)
    ended = threading.Event()
    _on_signals(lambda *_args: ended.set())
    # What is there by now stays. Looking for garbage among it, as Python does
    # every few hundred requests, would stop all threads for 0.1 s.
    gc.collect()
    gc.freeze()
    ended.wait()
    # Likewise: the second signal ends at once what the first cannot.
    _on_signals(signal.SIG_DFL)
    service.stop()
    return 0


def configure(
    conf: cfg.ConfigOpts, program: str, argv: Sequence[str] | None = None
) -> None:
    """Read command line and files, check every value, set up the log.

    :raises cfg.Error: A file cannot be read or a value is wrong.
    """
    our_conf.set_defaults()
    our_conf.register_opts(conf)
    logging.set_defaults(
        default_log_levels=logging.get_default_log_levels() + _LOG_LEVELS
    )
    conf(
        sys.argv[1:] if argv is None else list(argv),
        project='cyborg_fpga',
        prog=program,
        version=importlib.metadata.version('cyborg-fpga'),
    )
    _check_values(conf)
    logging.setup(conf, 'cyborg_fpga')


def transport(conf: cfg.ConfigOpts) -> messaging.Transport:
    """Connect to the message bus that *conf* names, on first use.

    :raises cfg.Error: Nobody knows such a bus.
    """
    try:
        return messaging.get_rpc_transport(
            conf, allowed_remote_exmods=rpc.ALLOWED_REMOTE_EXMODS
        )
    except (
        messaging.InvalidTransportURL,
        messaging.DriverLoadFailure,
    ) as exc:
        raise cfg.Error(f'[DEFAULT] transport_url: {exc}') from exc


def _on_signals(action: Any) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, action)


def complain(program: str, exc: Exception) -> int:
    """Say in one line why *program* cannot start; give its exit code."""
    reason: object = exc
    if isinstance(exc, errors.InvalidInput):
        reason = exc.kwargs.get('reason', exc.message)
    elif isinstance(exc, errors.FPGAError):
        reason = exc.message
    words = ' '.join(str(reason).split())
    print(f'{program}: {words}', file=sys.stderr)
    return 2 if isinstance(exc, (*_BAD_VALUE, ValueError)) else 1


def _check_values(conf: cfg.ConfigOpts) -> None:
    # oslo.config looks at a value only when it is used, which would be in
    # the middle of the work.
    for group, options in our_conf.list_opts():
        name = getattr(group, 'name', group)
        values = conf if name == 'DEFAULT' else conf[name]
        for option in options:
            if option.dest in values:
                values[option.dest]
