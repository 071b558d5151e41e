"""The conductor's RPC endpoint: short methods, the work is elsewhere."""

import os
from collections.abc import Collection
from typing import Any

import oslo_messaging as messaging
from oslo_config import cfg
from oslo_log import log as logging
from oslo_messaging.rpc import dispatcher
from oslo_utils import uuidutils

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.clients import glance
from cyborg_fpga.clients import nova
from cyborg_fpga.clients import placement
from cyborg_fpga.conductor import arqs
from cyborg_fpga.conductor import audit
from cyborg_fpga.conductor import catalogue
from cyborg_fpga.conductor import claims
from cyborg_fpga.conductor import events
from cyborg_fpga.conductor import inventory
from cyborg_fpga.conductor import popular
from cyborg_fpga.conductor import programming
from cyborg_fpga.conductor import reconcile
from cyborg_fpga.conductor import running
from cyborg_fpga.conductor import supervision
from cyborg_fpga.db import claims as db_claims
from cyborg_fpga.db import deployables
from cyborg_fpga.db import devices
from cyborg_fpga.db import hosts
from cyborg_fpga.db import operations
from cyborg_fpga.rpc import agent as agent_rpc
from cyborg_fpga.rpc import conductor as conductor_rpc
from cyborg_fpga.rpc import serializer

LOG = logging.getLogger(__name__)

# A conductor waits no longer than this for an agent's word.
_AGENT_TIMEOUT_SECONDS = 5
# After its deadline an operation must have ended within this.
_TAKE_OVER_SECONDS = 30

# Refusals are answers, not faults: they are not logged with a traceback.
_expected = messaging.expected_exceptions(errors.FPGAError)


class Manager:
    """Server side of :class:`rpc.conductor.ConductorAPI`; see there."""

    target = messaging.Target(version='1.0')

    def __init__(
        self, conf: cfg.ConfigOpts, transport: messaging.Transport
    ) -> None:
        self._owner = _name(conf.host)
        rooms, computes = placement.Placement(conf), nova.Nova(conf)
        self._catalogue = catalogue.Catalogue(conf, glance.Glance(conf))
        agents = agent_rpc.AgentAPI(transport, _AGENT_TIMEOUT_SECONDS)
        self._supervision = supervision.Supervision(conf, agents)
        self._inventory = inventory.Inventory(conf, rooms)
        self._programming = programming.Programming(
            conf, agents, self._inventory, self._supervision, self._owner
        )
        self.events = events.Events(conf, computes)
        self._arqs = arqs.Arqs(
            conf,
            self._catalogue,
            self._inventory,
            self._programming,
            self._supervision,
            self.events,
            self._owner,
            self._end_orphans,
        )
        self._claims = claims.Claims(
            conf,
            rooms,
            self._catalogue,
            self._inventory,
            self._programming,
            self._supervision,
            self._arqs,
            self._owner,
        )
        self.reconciler = reconcile.Reconciler(
            conf,
            self._claims,
            self._catalogue,
            self._inventory,
            self._programming,
            self._supervision,
            audit.Audit(rooms, computes, self._inventory, self._arqs),
            self._owner,
        )

    @_expected
    def report(
        self, ctx: context.RequestContext, report: dict[str, Any]
    ) -> dict[str, int]:
        fences = self._inventory.report(
            ctx, model.HostReport.from_wire(report)
        )
        if fences is None:
            return {}
        self.reconciler.wake()
        return fences

    @_expected
    def heartbeat(
        self,
        ctx: context.RequestContext,
        hostname: str,
        boot_id: int,
        sequence: int,
        digest: str,
    ) -> bool:
        report = model.HostReport(
            hostname=hostname,
            boot_id=boot_id,
            sequence=sequence,
            digest=digest,
            resource_provider_name='',
            devices=(),
        )
        return hosts.heartbeat(ctx, report)

    @_expected
    def begin(
        self,
        ctx: context.RequestContext,
        uuid: str,
        fence: int,
        attempt: str | None = None,
    ) -> None:
        operations.begin(ctx, uuid, fence, attempt=attempt)

    @_expected
    def claimed(self, ctx: context.RequestContext, hostname: str) -> list[str]:
        return [
            region.name
            for region in deployables.of_host(ctx, hostname)
            if region.state is model.DeployableState.PROGRAMMING
            or any(handle.claim_uuid for handle in region.handles)
        ]

    @_expected
    def progress(
        self, ctx: context.RequestContext, status: dict[str, Any]
    ) -> None:
        operations.progress(ctx, model.OperationStatus.from_wire(status))

    @_expected
    def finish(
        self, ctx: context.RequestContext, status: dict[str, Any]
    ) -> None:
        ended = self._supervision.finish(
            ctx, model.OperationStatus.from_wire(status)
        )
        if ended is not None:
            self._after(ctx, ended)

    @_expected
    def claim(
        self, ctx: context.RequestContext, uuid: str, request: dict[str, Any]
    ) -> str:
        return self._claims.claim(ctx, uuid, request).value

    @_expected
    def release(
        self, ctx: context.RequestContext, uuid: str, force: bool
    ) -> None:
        self._claims.release(ctx, uuid, force=force)
        self.reconciler.wake()

    @_expected
    def bind(
        self, ctx: context.RequestContext, request: dict[str, Any]
    ) -> None:
        try:
            started = self._arqs.bind(ctx, request)
        except errors.FPGAError as exc:
            # Nova's log has the status only.
            LOG.info(
                'Cards for server %s refused: %s',
                request['instance_uuid'],
                exc.message,
            )
            raise
        self.reconciler.send(started)

    @_expected
    def unbind(
        self,
        ctx: context.RequestContext,
        uuids: list[str],
        visible_to: str | None,
    ) -> None:
        if self._arqs.unbind(ctx, uuids, visible_to):
            self.reconciler.wake()

    @_expected
    def delete_arqs(
        self,
        ctx: context.RequestContext,
        uuids: list[str],
        visible_to: str | None,
        bound: bool,
    ) -> None:
        unsettled = True
        try:
            unsettled = self._arqs.delete(ctx, uuids, visible_to, bound=bound)
        finally:
            if unsettled:
                self.reconciler.wake()

    @_expected
    def delete_arqs_of(
        self,
        ctx: context.RequestContext,
        instance_uuid: str,
        visible_to: str | None,
    ) -> None:
        if self._arqs.delete_of_instance(ctx, instance_uuid, visible_to):
            self.reconciler.wake()

    @_expected
    def program(
        self,
        ctx: context.RequestContext,
        deployable_uuid: str,
        image_uuid: str,
        claim_uuid: str | None,
    ) -> dict[str, Any]:
        """Refused unless nobody but *claim_uuid* holds the deployable."""
        if claim_uuid is not None:
            claim = db_claims.get(ctx, claim_uuid)
            if claim.state is not model.ClaimState.READY:
                raise errors.WrongState(
                    kind='Claim',
                    ident=claim_uuid,
                    state=claim.state,
                    reason='only what a ready claim holds can be programmed',
                )
        bitstream = self._catalogue.usable(ctx, image_uuid)
        region = deployables.get(ctx, deployable_uuid)
        self._programming.check_fit(region, bitstream)
        if not hosts.get(ctx, region.hostname).up:
            raise errors.HostUnavailable(
                hostname=region.hostname, state='down'
            )
        operation = self._programming.program(
            ctx, region, bitstream, claim_uuid=claim_uuid
        )
        for ended in self._programming.send(ctx, [operation]):
            self._after(ctx, ended)
        return operation.to_wire()

    @_expected
    def refresh_bitstream(
        self, ctx: context.RequestContext, image_uuid: str
    ) -> None:
        if self._catalogue.refresh(ctx, image_uuid):
            self.reconciler.wake()

    @_expected
    def cancel(self, ctx: context.RequestContext, uuid: str) -> None:
        operation = operations.get(ctx, uuid)
        self._after(ctx, self._supervision.cancel(ctx, operation))

    @_expected
    def set_host(
        self,
        ctx: context.RequestContext,
        hostname: str,
        values: dict[str, Any],
    ) -> None:
        hosts.set_status(
            ctx,
            hostname,
            model.HostStatus(values['status']),
            values.get('disabled_reason'),
        )
        self._tell_placement(ctx, hostname)

    @_expected
    def set_device(
        self, ctx: context.RequestContext, uuid: str, values: dict[str, Any]
    ) -> None:
        status, health = values.get('status'), values.get('health')
        devices.update(
            ctx,
            uuid,
            status=model.DeviceStatus(status) if status else None,
            health=model.Health(health) if health else None,
        )
        self._tell_placement(ctx, devices.get(ctx, uuid).hostname)

    def _end_orphans(
        self, ctx: context.RequestContext, rp_uuids: Collection[str]
    ) -> bool:
        # Claims end through what is made before them.
        return self._claims.end_orphans(ctx, rp_uuids)

    def _after(
        self, ctx: context.RequestContext, ended: model.Operation
    ) -> None:
        """What an operation's end sets going."""
        self._claims.ended(ctx, ended)
        self.reconciler.wake()

    def _tell_placement(
        self, ctx: context.RequestContext, hostname: str
    ) -> None:
        """Now if it can be; an operator's word is recorded in any case."""
        try:
            self._inventory.sync_host(ctx, hostname)
        except errors.FPGAError as exc:
            LOG.warning(
                'Placement is not told of %s yet: %s', hostname, exc.message
            )
        self.reconciler.wake()


def _name(host: str) -> str:
    """Of the owner of leases: no other conductor ever has the same."""
    return f'{host[:20]}:{os.getpid()}:{uuidutils.generate_uuid()}'[:64]


class Conductor:
    """One conductor process: its RPC server and its reconciler.

    Connects to nothing before :meth:`start`.

    :raises errors.InvalidInput: With these options no operation of a dead
        conductor would be ended in time.
    """

    def __init__(
        self, conf: cfg.ConfigOpts, transport: messaging.Transport
    ) -> None:
        _check_take_over(conf)
        self._conf = conf
        self._transport = transport
        self._server: Any = None
        self._manager: Manager | None = None

    def start(self) -> None:
        self._manager = Manager(self._conf, self._transport)
        agents = agent_rpc.AgentAPI(self._transport)
        self._server = messaging.get_rpc_server(
            self._transport,
            messaging.Target(
                topic=conductor_rpc.TOPIC, server=self._conf.host
            ),
            [self._manager, running.Running(agents), popular.Popular()],
            executor='threading',
            serializer=serializer.ContextSerializer(),
            access_policy=dispatcher.DefaultRPCAccessPolicy,
        )
        self._server.start()
        self._manager.reconciler.start()
        self._manager.events.start()
        LOG.info('Conductor on %s is ready', self._conf.host)

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server.wait()
        if self._manager is not None:
            self._manager.events.stop()
            self._manager.reconciler.stop()

    def wait(self) -> None:
        """Nothing to wait for after :meth:`stop`, which blocks itself."""


def _check_take_over(conf: cfg.ConfigOpts) -> None:
    lease = conf.conductor.lease_seconds
    interval = conf.conductor.reconcile_interval
    longest = lease + interval + _AGENT_TIMEOUT_SECONDS
    if longest > _TAKE_OVER_SECONDS:
        raise errors.InvalidInput(
            reason=f'[conductor] lease_seconds ({lease:g}) and '
            f'reconcile_interval ({interval:g}) are too long: with the '
            f'{_AGENT_TIMEOUT_SECONDS} s that an agent has to answer they '
            f'make {longest:g} s, and an operation whose conductor died must '
            f'end within {_TAKE_OVER_SECONDS} s after its deadline'
        )
