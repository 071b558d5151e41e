"""What agents and the API may ask of a conductor."""

import base64
from collections.abc import Sequence
from typing import Any

import oslo_messaging as messaging

from cyborg_fpga import context
from cyborg_fpga import model
from cyborg_fpga.rpc import serializer

TOPIC = 'cyborg-fpga-conductor'


class ConductorAPI:
    """Client side; :class:`conductor.manager.Manager` is the server side.

    ======= =====================================================
    Version Change
    ======= =====================================================
    1.0     report, heartbeat, popular, begin, progress, finish, claimed
            (from agents);
            claim, release, program, cancel, set_host, set_device,
            bind, unbind, delete_arqs, delete_arqs_of,
            refresh_bitstream, run (from the API)
    ======= =====================================================
    """

    VERSION = '1.0'
    #: Longer than an agent may take for it.
    FUNCTION_SECONDS = 160

    def __init__(
        self, transport: messaging.Transport, timeout: int | None = None
    ) -> None:
        self._client = messaging.get_rpc_client(
            transport,
            messaging.Target(topic=TOPIC, version='1.0'),
            timeout=timeout,
            serializer=serializer.ContextSerializer(),
        )

    def report(
        self, ctx: context.RequestContext, report: model.HostReport
    ) -> dict[str, int]:
        """Make *report* all that is known about its host; wait until stored.

        Safe to repeat. Placement is brought up to date afterwards.

        :returns: Fences by deployable name that are higher than reported;
            the agent must persist them, refuse anything lower, and report
            again. Empty when nothing changed.
        :raises errors.StaleReport: A newer boot or sequence is known.
        """
        fences: dict[str, int] = self._client.call(
            ctx, 'report', report=report.to_wire()
        )
        return fences

    def heartbeat(
        self, ctx: context.RequestContext, report: model.HostReport
    ) -> bool:
        """Say that *report* is what was reported last; its cards stay here.

        Most reports are, and sending them costs more than storing that.

        :returns: False: it is not, or the host counted as down: report.
        """
        taken: bool = self._client.call(
            ctx,
            'heartbeat',
            hostname=report.hostname,
            boot_id=report.boot_id,
            sequence=report.sequence,
            digest=report.digest,
        )
        return taken

    def popular(
        self, ctx: context.RequestContext, hostname: str, count: int
    ) -> list[dict[str, Any]]:
        """Public images that fit the host and are loaded often, most first.

        :returns: At most *count*; of each ``uuid``, ``algo``, ``value`` and
            ``size``, as Glance says them.
        """
        images: list[dict[str, Any]] = self._client.call(
            ctx, 'popular', hostname=hostname, count=count
        )
        return images

    def begin(
        self,
        ctx: context.RequestContext,
        uuid: str,
        fence: int,
        *,
        attempt: str | None = None,
    ) -> None:
        """Ask leave to write to the card, for one attempt per operation.

        Safe to repeat with the same *attempt*, while no byte was written.

        :raises errors.StaleFence: The operation ended, was given up, is not
            known, or another attempt has begun: do not touch the card.
        """
        self._client.call(
            ctx, 'begin', uuid=uuid, fence=fence, attempt=attempt
        )

    def claimed(self, ctx: context.RequestContext, hostname: str) -> list[str]:
        """Names of the host's deployables that somebody has.

        Those that are being programmed are among them.
        """
        names: list[str] = self._client.call(ctx, 'claimed', hostname=hostname)
        return names

    def progress(
        self, ctx: context.RequestContext, status: model.OperationStatus
    ) -> None:
        """Tell how far an operation is (a cast; may be lost)."""
        self._client.cast(ctx, 'progress', status=status.to_wire())

    def finish(
        self, ctx: context.RequestContext, status: model.OperationStatus
    ) -> None:
        """Tell an operation's outcome; wait until it is recorded.

        Safe to repeat; late outcomes of given-up operations are ignored.
        """
        self._client.call(ctx, 'finish', status=status.to_wire())

    def claim(
        self, ctx: context.RequestContext, uuid: str, request: dict[str, Any]
    ) -> str:
        """Claim deployables as *request* (the checked POST body) says.

        :param uuid: Made by the caller, so that it can look the claim up
            after a time-out.
        :returns: The claim's state: ``ready``, or ``programming``.
        """
        state: str = self._client.call(
            ctx, 'claim', uuid=uuid, request=request
        )
        return state

    def release(
        self, ctx: context.RequestContext, uuid: str, force: bool = False
    ) -> None:
        """Start giving a claim back; returns before the wipe is done.

        Safe to repeat. *force* does not wait for the wipe: the deployables
        are then wiped by the reconciler before they are offered again.
        """
        self._client.call(ctx, 'release', uuid=uuid, force=force)

    def bind(
        self, ctx: context.RequestContext, request: dict[str, Any]
    ) -> None:
        """Bind accelerator requests, all or none; returns when committed.

        A refusal is an error and leaves them bound to nothing. What has to
        be programmed goes on after this; Nova is told how it ended.

        :param request: ``arqs``: provider by ARQ; ``instance_uuid``;
            ``hostname``, as Nova calls it; ``project_id`` that they get, or
            None; ``visible_to``: the project whose they must be, or None.
        """
        self._client.call(ctx, 'bind', request=request)

    def unbind(
        self,
        ctx: context.RequestContext,
        uuids: Sequence[str],
        *,
        visible_to: str | None,
    ) -> None:
        """Take from accelerator requests what they hold, at once.

        The wipe comes after this, Nova is not told. Safe to repeat.

        :raises errors.NotFound: One is not there; nothing is done.
        """
        self._client.call(
            ctx, 'unbind', uuids=list(uuids), visible_to=visible_to
        )

    def delete_arqs(
        self,
        ctx: context.RequestContext,
        uuids: Sequence[str],
        *,
        visible_to: str | None,
        bound: bool,
    ) -> None:
        """Delete accelerator requests and what they hold.

        :param bound: Also those that an instance has.
        :raises errors.NotFound: One was not there; the others are deleted.
        """
        self._client.call(
            ctx,
            'delete_arqs',
            uuids=list(uuids),
            visible_to=visible_to,
            bound=bound,
        )

    def delete_arqs_of(
        self,
        ctx: context.RequestContext,
        instance_uuid: str,
        *,
        visible_to: str | None,
    ) -> None:
        """Delete all that an instance has. Safe to repeat."""
        self._client.call(
            ctx,
            'delete_arqs_of',
            instance_uuid=instance_uuid,
            visible_to=visible_to,
        )

    def program(
        self,
        ctx: context.RequestContext,
        deployable_uuid: str,
        image_uuid: str,
        claim_uuid: str | None = None,
    ) -> model.Operation:
        """Start loading an image; returns the pending operation.

        :param claim_uuid: The claim on whose behalf; None: an operator's
            programming of a free deployable.
        """
        answer = self._client.call(
            ctx,
            'program',
            deployable_uuid=deployable_uuid,
            image_uuid=image_uuid,
            claim_uuid=claim_uuid,
        )
        return model.Operation.from_wire(answer)

    def refresh_bitstream(
        self, ctx: context.RequestContext, image_uuid: str
    ) -> None:
        """Look at an image in Glance now; record it, or forget it.

        Safe to repeat; returns when its record is stored.
        """
        self._client.call(ctx, 'refresh_bitstream', image_uuid=image_uuid)

    def run(
        self,
        ctx: context.RequestContext,
        deployable_uuid: str,
        claim_uuid: str,
        data: bytes,
    ) -> bytes:
        """What the function that is programmed into it answers to *data*.

        For simulated cards; the first time it takes a minute.

        :param claim_uuid: The claim that has the deployable.
        :raises errors.CannotRun: The card is a real one, or it gives none.
        """
        client = self._client.prepare(timeout=self.FUNCTION_SECONDS)
        answer: str = client.call(
            ctx,
            'run',
            deployable_uuid=deployable_uuid,
            claim_uuid=claim_uuid,
            data=base64.b64encode(data).decode(),
        )
        return base64.b64decode(answer)

    def cancel(self, ctx: context.RequestContext, uuid: str) -> None:
        """End an unfinished operation as ``cancelled``.

        One that has begun leaves its deployable ``unknown`` until the agent
        has read the card back.
        """
        self._client.call(ctx, 'cancel', uuid=uuid)

    def set_host(
        self,
        ctx: context.RequestContext,
        hostname: str,
        values: dict[str, Any],
    ) -> None:
        """Change ``status`` and ``disabled_reason`` of a host."""
        self._client.call(ctx, 'set_host', hostname=hostname, values=values)

    def set_device(
        self, ctx: context.RequestContext, uuid: str, values: dict[str, Any]
    ) -> None:
        """Change ``status`` of a card, or end its quarantine (``health``)."""
        self._client.call(ctx, 'set_device', uuid=uuid, values=values)
