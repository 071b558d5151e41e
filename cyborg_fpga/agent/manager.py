"""The agent: its RPC endpoint, and how its parts are put together."""

import pathlib
import socket
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import oslo_messaging as messaging
from oslo_config import cfg
from oslo_log import log as logging
from oslo_messaging.rpc import dispatcher

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.agent import cache as agent_cache
from cyborg_fpga.agent import custody
from cyborg_fpga.agent import executor as agent_executor
from cyborg_fpga.agent import functions
from cyborg_fpga.agent import health
from cyborg_fpga.agent import hotplug
from cyborg_fpga.agent import journal
from cyborg_fpga.agent import keeper
from cyborg_fpga.agent import nova_pci
from cyborg_fpga.agent import reporter as agent_reporter
from cyborg_fpga.agent import scan
from cyborg_fpga.agent import selection
from cyborg_fpga.agent import virtual_functions
from cyborg_fpga.bitstream import signature
from cyborg_fpga.clients import certificates
from cyborg_fpga.clients import glance
from cyborg_fpga.drivers import base
from cyborg_fpga.drivers import families
from cyborg_fpga.drivers import registry
from cyborg_fpga.drivers import sysfs
from cyborg_fpga.rpc import agent as agent_rpc
from cyborg_fpga.rpc import conductor as conductor_rpc
from cyborg_fpga.rpc import serializer

LOG = logging.getLogger(__name__)

# What waits for an answer about an operation asks again after this long: a
# conductor that died must not cost more of the operation's deadline.
_OPERATION_TIMEOUT = 10
# One lost report must not make the host look down.
_REPORT_TIMEOUT = 20
_MIB = 2**20


class Manager:
    """RPC endpoint; :class:`rpc.agent.AgentAPI` is the client side.

    Every method returns at once: cards are worked on by their own threads.
    """

    target = messaging.Target(version=agent_rpc.AgentAPI.VERSION)

    def __init__(
        self,
        executor: agent_executor.Executor,
        reporter: agent_reporter.Reporter,
    ) -> None:
        self._executor = executor
        self._reporter = reporter

    @messaging.expected_exceptions(errors.FPGAError)
    def run(
        self, ctx: context.RequestContext, operation: dict[str, Any]
    ) -> dict[str, Any]:
        try:
            parsed = model.Operation.from_wire(operation)
        except (TypeError, ValueError) as exc:
            raise errors.InvalidInput(reason=f'operation: {exc}') from exc
        return self._executor.run(parsed).to_wire()

    def status(
        self, ctx: context.RequestContext, uuid: str
    ) -> dict[str, Any] | None:
        status = self._executor.status(uuid)
        return None if status is None else status.to_wire()

    def cancel(self, ctx: context.RequestContext, uuid: str) -> None:
        self._executor.cancel(uuid)

    def report_soon(self, ctx: context.RequestContext) -> None:
        self._reporter.wake()


class Agent:
    """One host's agent; several can live in one process.

    Opens nothing before :meth:`start`.

    :param watched: Where cards may come and go; None: look at each period.
    :param cards: Where functions are run; None: on real cards, so nowhere.
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        transport: messaging.Transport,
        drivers: Mapping[str, base.Driver],
        download: agent_cache.Download,
        choose: agent_reporter.Choose = tuple,
        *,
        watched: sysfs.Sysfs | None = None,
        cards: sysfs.Sysfs | None = None,
    ) -> None:
        self._conf = conf
        self._transport = transport
        self._drivers = drivers
        self._journal = journal.Journal(pathlib.Path(conf.agent.state_path))
        self._cache, self._custody = _storage(conf, download)
        self._vfs = virtual_functions.VirtualFunctions(
            conf.devices.vfs, drivers
        )
        self._reporter = agent_reporter.Reporter(
            conf.host,
            drivers,
            conductor_rpc.ConductorAPI(transport, timeout=_REPORT_TIMEOUT),
            judge=_judge(conf, watched),
            cache=self._cache,
            resource_provider_name=_provider_name(conf),
            interval=conf.agent.report_interval,
            choose=lambda cards: self._vfs.look(choose(cards)),
        )
        self._executor = agent_executor.Executor(
            self._journal,
            drivers,
            self._custody,
            conductor_rpc.ConductorAPI(transport, timeout=_OPERATION_TIMEOUT),
            changed=self._changed,
        )
        self._keeper = self._make_keeper()
        self._functions = functions.Functions(cards or sysfs.Sysfs())
        self._watch: hotplug.Watch | None = None
        if watched is not None:
            self._watch = hotplug.Watch(watched, self._reporter.wake)
        self._server: messaging.MessageHandlingServer | None = None

    def start(self) -> None:
        """Take up what was left, then listen, then report.

        :raises errors.ServiceUnavailable: Another agent uses the state
            directory.
        :raises OSError: The state or cache directory cannot be used.
        """
        self._journal.open()
        self._cache.open()
        self._keep_blanks()
        boot_id = self._journal.next_boot()
        self._executor.start()
        self._vfs.start(self._executor, self._claimed, self._reporter.wake)
        self._server = messaging.get_rpc_server(
            self._transport,
            messaging.Target(topic=agent_rpc.TOPIC, server=self._conf.host),
            [Manager(self._executor, self._reporter), self._functions],
            executor='threading',
            serializer=serializer.ContextSerializer(),
            access_policy=dispatcher.DefaultRPCAccessPolicy,
        )
        self._server.start()
        self._reporter.start(self._executor, boot_id)
        self._keeper.start()
        if self._watch is not None:
            self._watch.start()
        LOG.info('Agent of %s started, boot %s', self._conf.host, boot_id)

    def stop(self) -> None:
        """Stop listening and reporting; wait a moment for the cards."""
        if self._server is not None:
            self._server.stop()
            self._server.wait()
        if self._watch is not None:
            self._watch.stop()
        self._keeper.stop()
        self._reporter.stop()
        self._executor.stop()
        self._journal.close()
        self._custody.close()
        LOG.info('Agent of %s stopped', self._conf.host)

    def _changed(self) -> None:
        self._reporter.wake()
        self._keeper.wake()

    def _make_keeper(self) -> keeper.Keeper:
        return keeper.Keeper(
            self._conf.host,
            self._cache,
            conductor_rpc.ConductorAPI(
                self._transport, timeout=_OPERATION_TIMEOUT
            ),
            count=self._conf.agent.prefetch,
            busy=lambda: bool(self._executor.activity().unfinished),
        )

    def _claimed(self) -> list[str]:
        conductor = conductor_rpc.ConductorAPI(
            self._transport, timeout=_OPERATION_TIMEOUT
        )
        return conductor.claimed(context.service(), self._conf.host)

    def _keep_blanks(self) -> None:
        blanks = {
            region: self._custody.keep(pathlib.Path(path))
            for region, path in self._conf.agent.blank_bitstreams.items()
        }
        for driver in self._drivers.values():
            driver.blank_images = blanks


def build(
    conf: cfg.ConfigOpts, transport: messaging.Transport, fs: sysfs.Sysfs
) -> Agent:
    """Put together the agent that *conf* describes, on the cards of *fs*.

    :raises errors.InvalidInput: An enabled driver is not installed, or what
        ``[devices]`` says of cards is wrong.
    """
    path = conf.devices.families
    table = families.Table.read(pathlib.Path(path) if path else None)
    return Agent(
        conf,
        transport,
        registry.load(conf.agent.enabled_drivers, fs, table),
        glance.Glance(conf).download,
        _chooser(conf, table),
        watched=fs,
        cards=fs,
    )


def _storage(
    conf: cfg.ConfigOpts, download: agent_cache.Download
) -> tuple[agent_cache.Cache, custody.Custody]:
    path = pathlib.Path(conf.agent.cache_path)
    tap = custody.Tap(download)
    cache = agent_cache.Cache(
        path, conf.agent.cache_size_mb * _MIB, tap.download
    )
    rules = signature.Rules.read(
        conf.bitstream.signature, conf.bitstream.allowed_certificates
    )
    keys = certificates.Certificates(conf)
    return cache, custody.Custody(cache, tap, path, rules, keys)


def _chooser(
    conf: cfg.ConfigOpts, table: families.Table
) -> agent_reporter.Choose:
    picked = selection.Selection(conf.devices.include, conf.devices.exclude)
    overlap = nova_pci.Overlap(conf.devices.nova_config, table)

    def choose(
        cards: Sequence[model.DeviceReport],
    ) -> tuple[model.DeviceReport, ...]:
        ours = tuple(picked.ours(cards))
        overlap.warn(ours)
        return ours

    return choose


def _judge(
    conf: cfg.ConfigOpts, watched: sysfs.Sysfs | None
) -> scan.Judge | None:
    if watched is None:
        return None
    interval = conf.agent.report_interval
    return health.Judge(watched, conf.devices, interval).judge


def _provider_name(conf: cfg.ConfigOpts) -> str:
    if conf.agent.resource_provider_name:
        return str(conf.agent.resource_provider_name)
    # A host under a name of its own is not this machine to Placement.
    if conf.host != socket.gethostname():
        return str(conf.host)
    return socket.getfqdn()
