"""Operations are made here and nowhere else, and handed to their agents.

How they end is in :mod:`supervision`.
"""

import dataclasses
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Protocol

import oslo_messaging as messaging
from oslo_config import cfg
from oslo_log import log as logging
from oslo_utils import uuidutils

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import killpoints
from cyborg_fpga import model
from cyborg_fpga import nouns
from cyborg_fpga.conductor import choice
from cyborg_fpga.conductor import inventory
from cyborg_fpga.conductor import supervision
from cyborg_fpga.conductor import wipes
from cyborg_fpga.db import bitstreams
from cyborg_fpga.db import operations
from cyborg_fpga.db import orders
from cyborg_fpga.rpc import agent

LOG = logging.getLogger(__name__)

# As long as the column.
_STEP = 64


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What is to be done to a deployable.

    :ivar bitstream: What it is programmed with; None: it is wiped.
    :ivar claim_uuid: For whom.
    :ivar fence: Refused unless it has this; None: whatever was done to it.
    """

    deployable: nouns.Deployable
    bitstream: nouns.Bitstream | None
    claim_uuid: str | None
    fence: int | None


class Create(Protocol):
    """As ``orders.create``."""

    def __call__(
        self,
        ctx: context.RequestContext,
        wanted: Sequence[orders.New],
        /,
        *,
        owner: str,
        lease: float,
    ) -> list[model.Operation]: ...


class Programming:
    """Starts operations."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        agents: agent.AgentAPI,
        stock: inventory.Inventory,
        endings: supervision.Supervision,
        owner: str,
    ) -> None:
        self._conf = conf.conductor
        self._agents = agents
        self._inventory = stock
        self._supervision = endings
        self._owner = owner

    def check_fit(
        self, deployable: nouns.Deployable, bitstream: nouns.Bitstream
    ) -> None:
        """Refuse what must not be loaded there.

        :raises errors.DoesNotFit: *bitstream* is for another region.
        :raises errors.BitstreamUnusable: It is somebody's own, and the card
            could not be wiped as it must be afterwards.
        """
        if not choice.fits(deployable, bitstream):
            raise errors.DoesNotFit(
                reason=choice.misfit([deployable], bitstream)
            )
        rules = wipes.Rules.configured(self._conf)
        if not rules.allow(deployable, bitstream):
            level = rules.level(deployable, private=True)
            raise errors.BitstreamUnusable(
                image=bitstream.uuid,
                reason=f'its card cannot be wiped at level {level} '
                'afterwards, as a private bitstream must be (see [agent] '
                'blank_bitstreams)',
            )

    def program(
        self,
        ctx: context.RequestContext,
        deployable: nouns.Deployable,
        bitstream: nouns.Bitstream,
        *,
        claim_uuid: str | None,
    ) -> model.Operation:
        """Commit the loading of *bitstream*; :meth:`send` starts it.

        :raises errors.InUse: Not idle, or another claim holds a handle.
        """
        act = Act(
            deployable=deployable,
            bitstream=bitstream,
            claim_uuid=claim_uuid,
            fence=deployable.fence,
        )
        return self.commit(ctx, [act])[0]

    def wipe(
        self,
        ctx: context.RequestContext,
        deployable: nouns.Deployable,
        *,
        claim_uuid: str | None,
    ) -> model.Operation:
        """Commit the wipe of a deployable that nobody uses any more.

        :raises errors.InUse: Not idle, or claimed again.
        """
        act = Act(
            deployable=deployable,
            bitstream=None,
            claim_uuid=claim_uuid,
            fence=deployable.fence,
        )
        return self.commit(ctx, [act])[0]

    def commit(
        self,
        ctx: context.RequestContext,
        acts: Sequence[Act],
        create: Create = orders.create,
    ) -> list[model.Operation]:
        """Commit *acts*, one of a deployable at most: all of them or none.

        :param create: Stores them, with what else there is to store.
        :raises errors.InUse: One is not idle, or not its claim's alone.
        """
        wanted = []
        known = self._kept(ctx, acts)
        for act in acts:
            expected, values = self._plan(act, known)
            seconds = self._conf.deadline_factor * expected
            seconds = max(seconds, self._conf.deadline_min)
            wanted.append(_new(ctx, act, seconds, values))
        made = create(
            ctx, wanted, owner=self._owner, lease=self._conf.lease_seconds
        )
        for operation in made:
            LOG.info(
                'Operation %s: %s %s on %s with %s',
                operation.uuid,
                operation.kind,
                operation.deployable,
                operation.hostname,
                operation.image_uuid or operation.wipe_level,
            )
        return made

    def _plan(
        self, act: Act, known: Mapping[str, nouns.Bitstream]
    ) -> tuple[float, dict[str, object]]:
        """Seconds that it should take, and columns of the operation."""
        deployable = act.deployable
        if act.bitstream is not None:
            return self._expected(deployable, act.bitstream), {
                'kind': model.OperationKind.PROGRAM.value,
                'expected_function': act.bitstream.function_id,
                **_image(act.bitstream),
            }
        level = self.wipe_level(deployable)
        values: dict[str, object] = {
            'kind': model.OperationKind.WIPE.value,
            'wipe_level': level.value,
            'expected_function': deployable.function_id,
        }
        image = known.get(deployable.bitstream_id or '')
        if image is None or level is not model.WipeLevel.RESET:
            return 2 * deployable.program_fixed, values
        # It is emptied, and then loaded once more.
        expected = deployable.program_fixed + self._expected(deployable, image)
        return expected, {**values, **_image(image)}

    def _kept(
        self, ctx: context.RequestContext, acts: Iterable[Act]
    ) -> dict[str, nouns.Bitstream]:
        """What deployables are to hold after their wipe as well.

        Not what was deleted: its function cannot stay.
        """
        uuids = {
            act.deployable.bitstream_id
            for act in acts
            if act.bitstream is None
            and act.deployable.bitstream_id
            and self.wipe_level(act.deployable) is model.WipeLevel.RESET
        }
        found = bitstreams.some(ctx, uuids) if uuids else []
        return {image.uuid: image for image in found}

    def _expected(
        self, deployable: nouns.Deployable, image: nouns.Bitstream
    ) -> float:
        """Seconds that loading takes, from the download on."""
        size = image.size or 0
        download: float = size / self._conf.download_rate
        return (
            deployable.program_fixed
            + size / deployable.program_rate
            + download
        )

    def wipe_level(self, deployable: nouns.Deployable) -> model.WipeLevel:
        """What is configured, or more where who had it asked for that."""
        return wipes.Rules.configured(self._conf).level(
            deployable, private=deployable.bitstream_private
        )

    def send(
        self,
        ctx: context.RequestContext,
        started: Sequence[model.Operation],
    ) -> list[model.Operation]:
        """Tell Placement, then the agent of their host; those that ended.

        Stops at the first that is not taken up: the reconciler finds those
        that are left.
        """
        ended = []
        for operation in started:
            try:
                done = self._hand_over(ctx, operation)
            except (errors.FPGAError, messaging.MessagingException) as exc:
                self._postpone(ctx, operation, exc)
                break
            if done is not None:
                ended.append(done)
        return ended

    def _hand_over(
        self, ctx: context.RequestContext, operation: model.Operation
    ) -> model.Operation | None:
        """:raises errors.FPGAError: Not now."""
        # What was loaded must not be a promise any more when it goes.
        self._inventory.sync_host(ctx, operation.hostname)
        try:
            status = self._agents.run(ctx, operation)
        except errors.ServiceUnavailable:
            raise
        except errors.StaleFence as exc:
            return self._supervision.give_up(
                ctx, operation, model.Cause.STALE, exc.message
            )
        except errors.FPGAError as exc:
            return self._supervision.give_up(
                ctx, operation, model.Cause.INTERNAL, exc.message
            )
        killpoints.reached('claim_sent')
        return self._supervision.finish(ctx, status) if status.done else None

    def _postpone(
        self,
        ctx: context.RequestContext,
        operation: model.Operation,
        exc: Exception,
    ) -> None:
        """Keep why it does not begin, for who looks and for its end."""
        reason = (
            exc.message
            if isinstance(exc, errors.FPGAError)
            else 'the agent does not answer'
        )
        LOG.warning(
            'Operation %s is not taken up yet: %s', operation.uuid, exc
        )
        operations.progress(
            ctx,
            model.OperationStatus(
                uuid=operation.uuid,
                fence=operation.fence,
                step=f'waits: {reason}'[:_STEP],
            ),
        )


def _image(bitstream: nouns.Bitstream) -> dict[str, object]:
    """What an operation says of the image that it loads."""
    return {
        'image_uuid': bitstream.uuid,
        'image_hash_algo': bitstream.hash_algo,
        'image_hash_value': bitstream.hash_value,
        'image_size': bitstream.size,
        'image_private': not bitstream.public,
        'image_signature': bitstream.signature,
    }


def _new(
    ctx: context.RequestContext,
    act: Act,
    seconds: float,
    values: Mapping[str, object],
) -> orders.New:
    return orders.New(
        deployable_id=act.deployable.id,
        fence=act.fence,
        seconds=seconds,
        values={
            'uuid': uuidutils.generate_uuid(),
            'project_id': ctx.project_id,
            'user_id': ctx.user_id,
            'claim_uuid': act.claim_uuid,
            **values,
        },
    )
