"""Ask oslo.policy whether a caller may do something."""

import sys
from collections.abc import Mapping
from typing import Any

from oslo_config import cfg
from oslo_context import context
from oslo_policy import policy

from cyborg_fpga import errors
from cyborg_fpga import policies

#: Options of the oslopolicy tools that are not ours to parse.
_TOOL_OPTIONS = ('namespace', 'output-file')


class Policy:
    """The rules in force: the defaults in code, then ``policy.yaml``."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.enforcer = policy.Enforcer(conf)
        self.enforcer.register_defaults(policies.list_rules())

    def check(
        self,
        ctx: context.RequestContext,
        rule: str,
        target: Mapping[str, Any] | None = None,
    ) -> bool:
        """Whether *ctx* may do *rule* to *target*.

        :param target: Has the ``project_id`` of the object that is acted
            on; None stands for the caller's own project.
        """
        if target is None:
            target = {'project_id': ctx.project_id, 'user_id': ctx.user_id}
        return bool(self.enforcer.authorize(rule, dict(target), ctx))

    def authorize(
        self,
        ctx: context.RequestContext,
        rule: str,
        target: Mapping[str, Any] | None = None,
    ) -> None:
        """Like :meth:`check`.

        :raises errors.Forbidden: The caller may not.
        """
        if not self.check(ctx, rule, target):
            raise errors.Forbidden(rule=rule)


def get_enforcer() -> policy.Enforcer:
    """What the ``oslopolicy-*`` tools work on.

    They leave reading the configuration to us, with their own options still
    on the command line.
    """
    arguments = iter(sys.argv[1:])
    ours = []
    for argument in arguments:
        name, equals, _ = argument.lstrip('-').partition('=')
        if name not in _TOOL_OPTIONS:
            ours.append(argument)
        elif not equals:
            next(arguments, None)
    cfg.CONF(ours, project='cyborg_fpga')
    return Policy(cfg.CONF).enforcer
