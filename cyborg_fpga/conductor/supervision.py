"""How operations end: by their agents' word, an operator's, or the clock.

What the claim that an operation belongs to does next is the caller's
business: every function that ends one returns it.
"""

from collections.abc import Sequence

import oslo_messaging as messaging
from oslo_config import cfg
from oslo_log import log as logging

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.db import operations
from cyborg_fpga.db import outcomes
from cyborg_fpga.rpc import agent

LOG = logging.getLogger(__name__)

_NEVER_SENT = 'no agent took it up before its deadline'
_LATE = 'the deadline has passed'
_FORGOTTEN = 'the agent does not know of it any more'

_STILL_AT_WORK = (
    '. The card may be at work all the same: its deployable is offered again '
    'when its agent has read and wiped it. A claim on it waits for that; an '
    "administrator's 'openstack fpga claim release --force' ends it at once"
)


class Supervision:
    """Sees to it that every operation ends."""

    def __init__(self, conf: cfg.ConfigOpts, agents: agent.AgentAPI) -> None:
        self._conf = conf.conductor
        self._agents = agents

    def finish(
        self, ctx: context.RequestContext, status: model.OperationStatus
    ) -> model.Operation | None:
        """Record an outcome; None: the operation had ended before."""
        ended = outcomes.finish(
            ctx, status, quarantine_after=self._conf.quarantine_after
        )
        _tell(ended)
        return ended

    def check(
        self,
        ctx: context.RequestContext,
        unfinished: Sequence[model.Operation],
    ) -> tuple[list[model.Operation], list[model.Operation]]:
        """See to unfinished operations of one host.

        :returns: Those that ended; those that are to be sent (again).
        """
        ended, unsent = [], []
        silent = False
        for operation in sorted(unfinished, key=lambda o: o.seconds_left):
            status = None
            if not silent:
                try:
                    status = self._agents.status(
                        ctx, operation.hostname, operation.uuid
                    )
                except messaging.MessagingException as exc:
                    LOG.debug('%s: %s', operation.hostname, exc)
                    # Once is enough: each attempt costs seconds.
                    silent = True
            if _is_unsent(operation, status, silent):
                unsent.append(operation)
                continue
            done = self._settle(ctx, operation, status, silent)
            if done is not None:
                ended.append(done)
        return ended, unsent

    def _settle(
        self,
        ctx: context.RequestContext,
        operation: model.Operation,
        status: model.OperationStatus | None,
        silent: bool,
    ) -> model.Operation | None:
        """Draw the conclusion from an agent's answer; it, if that ended it."""
        if status is not None and status.done:
            return self.finish(ctx, status)
        if operation.seconds_left <= 0:
            return self._end_late(ctx, operation, status, silent)
        if status is not None:
            operations.progress(ctx, status)
        elif not silent:
            # It had begun, and its agent lost the journal.
            return self.give_up(
                ctx, operation, model.Cause.INTERRUPTED, _FORGOTTEN
            )
        return None

    def _end_late(
        self,
        ctx: context.RequestContext,
        operation: model.Operation,
        status: model.OperationStatus | None,
        silent: bool,
    ) -> model.Operation | None:
        if silent:
            cause = model.Cause.AGENT_LOST
            detail = f'the agent on {operation.hostname} does not answer'
        elif status is None:
            cause = model.Cause.TIMEOUT
            detail = '; '.join(filter(None, (_NEVER_SENT, operation.step)))
        else:
            cause, detail = model.Cause.TIMEOUT, _LATE
        ended = self.give_up(ctx, operation, cause, detail)
        self._drop(ctx, operation)
        return ended

    def cancel(
        self, ctx: context.RequestContext, operation: model.Operation
    ) -> model.Operation:
        """End an operation by an operator's word.

        :raises errors.WrongState: It has ended already.
        """
        ended = None
        words = 'cancelled by an operator'
        if operation.state is model.OperationState.RUNNING:
            words += _STILL_AT_WORK
        if operation.state in model.OPERATION_UNFINISHED:
            ended = self.give_up(ctx, operation, model.Cause.CANCELLED, words)
        if ended is None:
            raise errors.WrongState(
                kind='Operation',
                ident=operation.uuid,
                state=operations.get(ctx, operation.uuid).state,
                reason='there is nothing left to cancel',
            )
        self._drop(ctx, operation)
        return ended

    def recall(
        self, ctx: context.RequestContext, operation: model.Operation
    ) -> None:
        """End an operation that nobody needs any more, if it has not begun."""
        if self.give_up(
            ctx,
            operation,
            model.Cause.CANCELLED,
            'its claim was released before it began',
            begun=False,
        ):
            self._drop(ctx, operation)

    def _drop(
        self, ctx: context.RequestContext, operation: model.Operation
    ) -> None:
        """Save the agent work that has ended for us already."""
        try:
            self._agents.cancel(ctx, operation.hostname, operation.uuid)
        except messaging.MessagingException as exc:
            LOG.debug('%s: %s', operation.hostname, exc)

    def report_soon(self, ctx: context.RequestContext, hostname: str) -> None:
        """Have the agent look at its cards now; if it hears of it."""
        try:
            self._agents.report_soon(ctx, hostname)
        except messaging.MessagingException as exc:
            LOG.debug('%s: %s', hostname, exc)

    def give_up(
        self,
        ctx: context.RequestContext,
        operation: model.Operation,
        cause: model.Cause,
        detail: str,
        *,
        begun: bool = True,
    ) -> model.Operation | None:
        """End an operation whatever its agent does; see ``outcomes``."""
        ended = outcomes.give_up(
            ctx,
            operation,
            cause,
            detail,
            quarantine_after=self._conf.quarantine_after,
            begun=begun,
        )
        _tell(ended)
        return ended


def _is_unsent(
    operation: model.Operation,
    status: model.OperationStatus | None,
    silent: bool,
) -> bool:
    """Its agent, which answers, has not heard of it yet."""
    return (
        status is None
        and not silent
        and operation.state is model.OperationState.PENDING
        and operation.seconds_left > 0
    )


def _tell(ended: model.Operation | None) -> None:
    if ended is not None:
        LOG.info(
            'Operation %s %s%s',
            ended.uuid,
            ended.state,
            f': {ended.cause}, {ended.detail}' if ended.cause else '',
        )
