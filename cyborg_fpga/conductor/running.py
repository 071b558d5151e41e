"""Lets what a claim has had programmed compute, on a simulated card."""

import oslo_messaging as messaging

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga import nouns
from cyborg_fpga.db import claims
from cyborg_fpga.db import deployables
from cyborg_fpga.rpc import agent as agent_rpc
from cyborg_fpga.rpc import conductor as conductor_rpc


class Running:
    """RPC endpoint; :class:`rpc.conductor.ConductorAPI` is the client side.

    Blocks one of the server's threads for as long as the function takes.
    """

    target = messaging.Target(version=conductor_rpc.ConductorAPI.VERSION)

    def __init__(self, agents: agent_rpc.AgentAPI) -> None:
        self._agents = agents

    @messaging.expected_exceptions(errors.FPGAError)
    def run(
        self,
        ctx: context.RequestContext,
        deployable_uuid: str,
        claim_uuid: str,
        data: str,
    ) -> str:
        """What a deployable's function answers; data are in Base64."""
        claim = claims.get(ctx, claim_uuid)
        if claim.state is not model.ClaimState.READY:
            raise errors.WrongState(
                kind='Claim',
                ident=claim_uuid,
                state=claim.state.value,
                reason='only what a ready claim holds can be run',
            )
        region = deployables.get(ctx, deployable_uuid)
        address = _address(region, claim_uuid)
        try:
            return self._agents.run_function(
                ctx, region.hostname, address, data
            )
        except messaging.MessagingTimeout as exc:
            raise errors.ServiceUnavailable(
                service=f'The agent of {region.hostname}', reason='no answer'
            ) from exc


def _address(region: nouns.Deployable, claim_uuid: str) -> str:
    """Of the first function that the claim has of *region*.

    :raises errors.WrongState: It has none, or nothing is programmed.
    """
    mine = [h for h in region.handles if h.claim_uuid == claim_uuid]
    if not mine:
        state, reason = 'not held by this claim', 'ask the one that holds it'
    elif region.state is not model.DeployableState.IDLE:
        state, reason = region.state.value, 'wait until it is idle'
    elif region.function_id is None:
        state, reason = 'blank', 'program it first'
    else:
        return str(mine[0].pci_address)
    raise errors.WrongState(
        kind='Deployable', ident=region.uuid, state=state, reason=reason
    )
