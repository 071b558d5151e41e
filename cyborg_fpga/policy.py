"""Ask oslo.policy whether a caller may do something."""

import functools
import sys
import time
from collections.abc import Mapping
from typing import Any

from oslo_config import cfg
from oslo_context import context
from oslo_policy import policy

from cyborg_fpga import errors
from cyborg_fpga import policies

#: Options of the oslopolicy tools that are not ours to parse.
_TOOL_OPTIONS = ('namespace', 'output-file')
#: So many answers are kept.
_KEPT = 4096
#: A new file is noticed within this.
_LOOK_SECONDS = 1.0

_Items = tuple[tuple[str, Any], ...]


class Policy:
    """The rules in force: the defaults in code, then ``policy.yaml``."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.enforcer = policy.Enforcer(conf)
        self.enforcer.register_defaults(policies.list_rules())
        self._answer = functools.lru_cache(_KEPT)(self._ask)
        self._looked = -_LOOK_SECONDS

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
        caller = ctx.to_policy_values()
        self._look_for_files()
        # Our own rules look at nothing but this; those of a file may ask
        # another service each time.
        kept = not self.enforcer.file_rules
        answer = self._answer if kept else self._ask
        return answer(rule, _items(target), _items(caller))

    def _look_for_files(self) -> None:
        """Where there was none: once there is one, oslo.policy looks."""
        now = time.monotonic()
        if now - self._looked > _LOOK_SECONDS:
            self._looked = now
            self.enforcer.load_rules()

    def _ask(self, rule: str, target: _Items, caller: _Items) -> bool:
        return bool(self.enforcer.authorize(rule, dict(target), dict(caller)))

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


def _items(values: Mapping[str, Any]) -> _Items:
    """*values* as they can be looked up."""
    return tuple(
        (name, tuple(value) if isinstance(value, list) else value)
        for name, value in values.items()
    )


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
