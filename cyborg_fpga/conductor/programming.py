"""Operations: started here, finished here, and taken over when forgotten.

This is the only place that makes operations. What the claim they belong to
does next is the caller's business: every function that ends an operation
returns it.
"""

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
from cyborg_fpga.db import operations
from cyborg_fpga.db import outcomes
from cyborg_fpga.rpc import agent

LOG = logging.getLogger(__name__)

# A given-up agent is asked once more; this long after the deadline at most.
_NEVER_SENT = 'no agent took it up before its deadline'


class Programming:
    """Starts operations and sees to it that each one ends."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        agents: agent.AgentAPI,
        stock: inventory.Inventory,
        owner: str,
    ) -> None:
        self._conf = conf.conductor
        self._agents = agents
        self._inventory = stock
        self._owner = owner

    def loaded(
        self, deployable: nouns.Deployable, bitstream: nouns.Bitstream
    ) -> bool:
        """The card already says what the request wants."""
        return (
            deployable.state is model.DeployableState.IDLE
            and deployable.bitstream_id == bitstream.uuid
            and deployable.function_id is not None
            and bitstream.function_id in (None, deployable.function_id)
        )

    def check_fit(
        self, deployable: nouns.Deployable, bitstream: nouns.Bitstream
    ) -> None:
        """:raises errors.DoesNotFit: *bitstream* is for another region."""
        if not choice.fits(deployable, bitstream):
            raise errors.DoesNotFit(
                reason=choice.misfit([deployable], bitstream)
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
        size = bitstream.size or 0
        expected = (
            deployable.program_fixed
            + size / deployable.program_rate
            + size / self._conf.download_rate
        )
        return self._create(
            ctx,
            deployable,
            expected,
            {
                'kind': model.OperationKind.PROGRAM.value,
                'claim_uuid': claim_uuid,
                'image_uuid': bitstream.uuid,
                'image_hash_algo': bitstream.hash_algo,
                'image_hash_value': bitstream.hash_value,
                'image_size': bitstream.size,
                'image_private': not bitstream.public,
                'expected_function': bitstream.function_id,
            },
        )

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
        return self._create(
            ctx,
            deployable,
            2 * deployable.program_fixed,
            {
                'kind': model.OperationKind.WIPE.value,
                'claim_uuid': claim_uuid,
                'wipe_level': self.wipe_level(deployable).value,
                'expected_function': deployable.function_id,
            },
        )

    def wipe_level(self, deployable: nouns.Deployable) -> model.WipeLevel:
        """Configured level, or the next stronger that the card can do."""
        private = deployable.bitstream_private
        wanted = model.WipeLevel(
            self._conf.wipe_private if private else self._conf.wipe_public
        )
        resets = model.WipeLevel.RESET in deployable.wipe_levels
        if wanted is model.WipeLevel.RESET and not resets:
            return model.WipeLevel.CLEAR
        return wanted

    def _create(
        self,
        ctx: context.RequestContext,
        deployable: nouns.Deployable,
        expected: float,
        values: dict[str, object],
    ) -> model.Operation:
        queued = operations.queued(ctx, deployable.device_id)
        seconds = self._conf.deadline_factor * expected * (1 + queued)
        operation = operations.create(
            ctx,
            deployable.id,
            {
                'uuid': uuidutils.generate_uuid(),
                'project_id': ctx.project_id,
                'user_id': ctx.user_id,
                **values,
            },
            seconds=max(seconds, self._conf.deadline_min),
            owner=self._owner,
            lease=self._conf.lease_seconds,
        )
        LOG.info(
            'Operation %s: %s %s on %s with %s',
            operation.uuid,
            operation.kind,
            operation.deployable,
            operation.hostname,
            operation.image_uuid or operation.wipe_level,
        )
        return operation

    def send(
        self, ctx: context.RequestContext, operation: model.Operation
    ) -> model.Operation | None:
        """Tell Placement, then the agent; the operation, if that ended it.

        An agent or a Placement that does not answer is asked again by
        :meth:`check`.
        """
        try:
            self._inventory.sync_host(ctx, operation.hostname)
            status = self._agents.run(ctx, operation)
        except (
            messaging.MessagingException,
            errors.ServiceUnavailable,
        ) as exc:
            LOG.warning(
                'Operation %s is not taken up yet: %s', operation.uuid, exc
            )
            return None
        except errors.StaleFence as exc:
            return self._fail(
                ctx, operation, model.Cause.STALE, exc.message, touched=False
            )
        except errors.FPGAError as exc:
            return self._fail(
                ctx, operation, model.Cause.INTERNAL, exc.message,
                touched=False,
            )  # fmt: skip
        killpoints.reached('claim_sent')
        return self.finish(ctx, status) if status.done else None

    def finish(
        self, ctx: context.RequestContext, status: model.OperationStatus
    ) -> model.Operation | None:
        """Record an outcome; None: the operation had ended before."""
        ended = outcomes.finish(
            ctx, status, quarantine_after=self._conf.quarantine_after
        )
        if ended is not None:
            LOG.info(
                'Operation %s %s%s',
                ended.uuid,
                ended.state,
                f': {ended.cause}, {ended.detail}' if ended.cause else '',
            )
        return ended

    def check(
        self, ctx: context.RequestContext, operation: model.Operation
    ) -> model.Operation | None:
        """See to an unfinished operation of ours; it, if that ended it."""
        overdue = operation.seconds_left <= 0
        try:
            status = self._agents.status(
                ctx, operation.hostname, operation.uuid
            )
        except messaging.MessagingException:
            return self._unreachable(ctx, operation) if overdue else None
        if status is not None and status.done:
            return self.finish(ctx, status)
        if overdue:
            running = operation.state is model.OperationState.RUNNING
            return self._fail(
                ctx,
                operation,
                model.Cause.TIMEOUT,
                'the deadline has passed' if status else _NEVER_SENT,
                touched=running,
            )
        if status is None and operation.state is model.OperationState.PENDING:
            return self.send(ctx, operation)
        if status is None:
            # It had begun, and its agent lost the journal.
            return self._fail(
                ctx,
                operation,
                model.Cause.INTERRUPTED,
                'the agent does not know of it any more',
                touched=True,
            )
        operations.progress(ctx, status)
        return None

    def cancel(
        self, ctx: context.RequestContext, operation: model.Operation
    ) -> model.Operation | None:
        """End an operation by an operator's word.

        :raises errors.WrongState: It has ended already.
        """
        if operation.state not in model.OPERATION_UNFINISHED:
            raise errors.WrongState(
                kind='Operation',
                ident=operation.uuid,
                state=operation.state,
                reason='there is nothing left to cancel',
            )
        self._agents.cancel(ctx, operation.hostname, operation.uuid)
        return self._fail(
            ctx,
            operation,
            model.Cause.CANCELLED,
            'cancelled by an operator',
            touched=operation.state is model.OperationState.RUNNING,
        )

    def _unreachable(
        self, ctx: context.RequestContext, operation: model.Operation
    ) -> model.Operation | None:
        return self._fail(
            ctx,
            operation,
            model.Cause.AGENT_LOST,
            f'the agent on {operation.hostname} does not answer',
            # It may run all the same: its queue outlives it.
            touched=True,
        )

    def _fail(
        self,
        ctx: context.RequestContext,
        operation: model.Operation,
        cause: model.Cause,
        detail: str,
        *,
        touched: bool,
    ) -> model.Operation | None:
        return self.finish(
            ctx,
            model.OperationStatus(
                uuid=operation.uuid,
                fence=operation.fence,
                done=True,
                touched=touched,
                cause=cause,
                detail=detail,
            ),
        )
