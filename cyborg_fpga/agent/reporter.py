"""Tells the conductor, again and again, what is on this host."""

import dataclasses
import hashlib
import json
import threading
import time
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

import oslo_messaging as messaging
from oslo_log import log as logging

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.agent import cache as agent_cache
from cyborg_fpga.agent import executor as agent_executor
from cyborg_fpga.agent import scan as agent_scan
from cyborg_fpga.drivers import base
from cyborg_fpga.rpc import conductor as conductor_rpc

LOG = logging.getLogger(__name__)

Choose = Callable[
    [Sequence[model.DeviceReport]], tuple[model.DeviceReport, ...]
]

# A report that is answered with fences is followed by another one at once;
# more than this in a row would be a conductor that does not listen.
_IN_A_ROW = 3
# Seconds that a scan may take before its cards are reported as they were.
_PATIENCE = 20.0


class Reporter:
    """Scans and reports every *interval* seconds, and when woken.

    :param patience: Seconds that all scans of a report may take together.
    :param choose: Picks those of all cards found that are to be reported.
    :param judge: Gives the cards that a driver found their health.
    :param cache: What it holds is reported too.
    """

    def __init__(
        self,
        hostname: str,
        drivers: Mapping[str, base.Driver],
        conductor: conductor_rpc.ConductorAPI,
        *,
        resource_provider_name: str,
        interval: float,
        patience: float = _PATIENCE,
        choose: Choose = tuple,
        judge: agent_scan.Judge | None = None,
        cache: agent_cache.Cache | None = None,
    ) -> None:
        self._hostname = hostname
        self._scans = [
            agent_scan.Scan(name, driver, judge)
            for name, driver in drivers.items()
        ]
        self._conductor = conductor
        self._provider = resource_provider_name
        self._interval = interval
        self._patience = patience
        self._choose = choose
        self._cache = cache
        self._boot_id = 0
        self._sequence = 0
        # Digest of the last report that a conductor took as it was.
        self._told = ''
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, executor: agent_executor.Executor, boot_id: int) -> None:
        """Report from now on, at once for the first time."""
        self._boot_id = boot_id
        self._thread = threading.Thread(
            target=self._serve, args=(executor,), name='reporter', daemon=True
        )
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        self._stopping.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def wake(self) -> None:
        """Report now instead of at the next period; never blocks."""
        self._woken.set()

    def _serve(self, executor: agent_executor.Executor) -> None:
        while not self._stopping.is_set():
            self._woken.clear()
            try:
                self._cycle(executor)
            except Exception:
                # The top of a thread: the next period may go better.
                LOG.exception('Reporting failed')
            self._woken.wait(self._interval)

    def _cycle(self, executor: agent_executor.Executor) -> None:
        for _attempt in range(_IN_A_ROW):
            if self._stopping.is_set() or not self._report(executor):
                return

    def _report(self, executor: agent_executor.Executor) -> bool:
        """Scan and report once; tell whether to do so again at once."""
        report = self._scan(executor)
        try:
            if report.digest == self._told and self._unchanged(report):
                return False
            fences = self._conductor.report(context.service(), report)
        except errors.StaleReport as exc:
            # An overtaken message, or a second agent with our name: ours
            # must not win until its boot is the newest.
            LOG.warning(
                'Report %s of boot %s is refused: %s',
                report.sequence,
                report.boot_id,
                exc.message,
            )
            return False
        except (messaging.MessagingException, errors.FPGAError) as exc:
            LOG.warning('No conductor took the report: %s', exc)
            return False
        self._told = '' if fences else report.digest
        return bool(fences) and executor.raise_fences(fences)

    def _unchanged(self, report: model.HostReport) -> bool:
        """Say so in a word; False: the conductor wants the whole report."""
        try:
            return self._conductor.heartbeat(context.service(), report)
        except messaging.RemoteError as exc:
            # A conductor of an earlier release knows no such word.
            LOG.debug('No heartbeat: %s', exc)
            return False

    def _scan(self, executor: agent_executor.Executor) -> model.HostReport:
        before = executor.activity()
        # Older than the scan, so that an operation in between shows.
        fences = executor.fences()
        for scan in self._scans:
            scan.start()
        patience = time.monotonic() + self._patience
        devices = self._choose(
            [
                device
                for scan in self._scans
                for device in scan.cards(max(0.0, patience - time.monotonic()))
            ]
        )
        executor.learn(devices)
        busy = executor.busy_since(before)
        figures, names = self._cache.contents() if self._cache else ({}, ())
        self._sequence += 1
        report = model.HostReport(
            hostname=self._hostname,
            boot_id=self._boot_id,
            sequence=self._sequence,
            digest='',
            resource_provider_name=self._provider,
            devices=tuple(
                _marked(device, fences, device.pci_address in busy)
                for device in devices
            ),
            cache=figures,
            cached=names,
        )
        return dataclasses.replace(report, digest=digest_of(report))


def digest_of(report: model.HostReport) -> str:
    """Hash everything but the numbers that change with every report."""
    content = report.to_wire()
    for name in ('boot_id', 'sequence', 'digest'):
        del content[name]
    canonical = json.dumps(content, sort_keys=True, separators=(',', ':'))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _marked(
    device: model.DeviceReport, fences: Mapping[str, int], busy: bool
) -> model.DeviceReport:
    return dataclasses.replace(
        device,
        deployables=tuple(
            dataclasses.replace(
                deployable,
                fence=fences.get(deployable.name, 0),
                busy=busy or deployable.busy,
            )
            for deployable in device.deployables
        ),
    )
