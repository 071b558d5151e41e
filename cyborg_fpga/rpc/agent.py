"""What a conductor may ask of the agent on one host."""

import oslo_messaging as messaging

from cyborg_fpga import context
from cyborg_fpga import model
from cyborg_fpga.rpc import serializer

TOPIC = 'cyborg-fpga-agent'


class AgentAPI:
    """Client side; :class:`agent.manager.Manager` is the server side.

    ======= =====================================================
    Version Change
    ======= =====================================================
    1.0     run, status, cancel, report_soon, run_function
    ======= =====================================================
    """

    VERSION = '1.0'
    #: The first time the model of a function is run it has to be compiled.
    FUNCTION_SECONDS = 150

    def __init__(
        self, transport: messaging.Transport, timeout: int = 10
    ) -> None:
        self._client = messaging.get_rpc_client(
            transport,
            messaging.Target(topic=TOPIC, version='1.0'),
            timeout=timeout,
            serializer=serializer.ContextSerializer(),
        )

    def run(
        self, ctx: context.RequestContext, operation: model.Operation
    ) -> model.OperationStatus:
        """Hand *operation* to its host; return once the agent journalled it.

        Safe to repeat: a known uuid is not run again, its status is
        answered.

        :raises errors.StaleFence: The agent knows a higher fence.
        :raises messaging.MessagingTimeout: No answer; it may run all the
            same, ask :meth:`status`.
        """
        answer = self._on(operation.hostname).call(
            ctx, 'run', operation=operation.to_wire()
        )
        return model.OperationStatus.from_wire(answer)

    def status(
        self, ctx: context.RequestContext, hostname: str, uuid: str
    ) -> model.OperationStatus | None:
        """What the host knows of an operation; None: never heard of it."""
        answer = self._on(hostname).call(ctx, 'status', uuid=uuid)
        return (
            None if answer is None else model.OperationStatus.from_wire(answer)
        )

    def cancel(
        self, ctx: context.RequestContext, hostname: str, uuid: str
    ) -> None:
        """Ask the host to drop an operation it has not begun (a cast)."""
        self._on(hostname).cast(ctx, 'cancel', uuid=uuid)

    def run_function(
        self,
        ctx: context.RequestContext,
        hostname: str,
        address: str,
        data: str,
    ) -> str:
        """What the function behind *address* answers; both in Base64.

        :raises errors.CannotRun: The card is a real one, or it gives none.
        :raises messaging.MessagingTimeout: No answer for minutes.
        """
        client = self._client.prepare(
            server=hostname, timeout=self.FUNCTION_SECONDS
        )
        answer: str = client.call(
            ctx, 'run_function', address=address, data=data
        )
        return answer

    def report_soon(self, ctx: context.RequestContext, hostname: str) -> None:
        """Ask the host for a report now instead of at its next period."""
        self._on(hostname).cast(ctx, 'report_soon')

    def _on(self, hostname: str) -> messaging.RPCClient:
        return self._client.prepare(server=hostname)
