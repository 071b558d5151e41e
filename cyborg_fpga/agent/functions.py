"""The agent's RPC endpoint for functions that compute on the host."""

import base64

import oslo_messaging as messaging

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga.drivers import sysfs
from cyborg_fpga.rpc import agent as agent_rpc


class Functions:
    """RPC endpoint; :class:`rpc.agent.AgentAPI` is the client side.

    Blocks one of the server's threads for as long as the function takes.
    """

    target = messaging.Target(version=agent_rpc.AgentAPI.VERSION)

    def __init__(self, fs: sysfs.Sysfs) -> None:
        self._fs = fs

    @messaging.expected_exceptions(errors.FPGAError)
    def run_function(
        self, ctx: context.RequestContext, address: str, data: str
    ) -> str:
        answer = self._fs.run_function(address, base64.b64decode(data))
        return base64.b64encode(answer).decode()
