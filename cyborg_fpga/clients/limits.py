"""Keystone's unified limits: how many deployables a project may hold.

oslo.limit takes its options from the global configuration alone, and keeps
one connection for the process.
"""

from collections.abc import Callable

from keystoneauth1 import exceptions as ks_exceptions
from openstack import exceptions as sdk_exceptions
from oslo_config import cfg
from oslo_limit import exception
from oslo_limit import limit
from oslo_log import log as logging

from cyborg_fpga import errors

LOG = logging.getLogger(__name__)

#: Of the registered limit.
RESOURCE = 'deployables'

#: Tells how many a project holds now.
Held = Callable[[str], int]


class Allowance:
    """What Keystone allows one project; asked once, when it is first used.

    :param held: None: limits are off.
    """

    def __init__(self, project_id: str, held: Held | None) -> None:
        self._project_id = project_id
        self._held = held
        self._enforcer: limit.Enforcer | None = None

    @property
    def limited(self) -> bool:
        """Limits are on; what :meth:`check` says may change any time."""
        return self._held is not None

    def check(self, wanted: int) -> None:
        """May the project have *wanted* more than it holds?

        :raises errors.OverQuota: No.
        :raises errors.ServiceUnavailable: Keystone does not say.
        """
        held = self._held
        if held is None:
            return
        try:
            if self._enforcer is None:
                self._enforcer = limit.Enforcer(
                    lambda project_id, names: dict.fromkeys(
                        names, held(project_id or '')
                    )
                )
            self._enforcer.enforce(self._project_id, {RESOURCE: wanted})
        except exception.ProjectOverLimit as exc:
            over = exc.over_limit_info_list[0]
            raise errors.OverQuota(
                limit=over.limit, held=over.current_usage, wanted=over.delta
            ) from exc
        except (
            exception.SessionInitError,
            ks_exceptions.ClientException,
            sdk_exceptions.SDKException,
            # What is configured does not lead to an endpoint.
            ValueError,
        ) as exc:
            LOG.error('The limits cannot be read from Keystone: %s', exc)
            raise errors.ServiceUnavailable(
                service='Keystone', reason='its limits cannot be read'
            ) from exc

    def confirm(self, taken: int) -> None:
        """May it have what it holds, of which *taken* were taken just now?

        Of several at a time each saw the others' share still free, and how
        much there is to take of a server's is known when it is taken.

        :raises errors.OverQuota: No; it says what it held before.
        :raises errors.ServiceUnavailable: Keystone does not say.
        """
        try:
            self.check(0)
        except errors.OverQuota as exc:
            raise errors.OverQuota(
                limit=exc.kwargs['limit'],
                held=exc.kwargs['held'] - taken,
                wanted=taken,
            ) from exc


class Limits:
    """Off where ``[oslo_limit]`` names no endpoint."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        options = conf.oslo_limit
        self._on = bool(
            options.endpoint_id
            or options.endpoint_service_type
            or options.endpoint_service_name
        )

    def of(self, project_id: str, held: Held) -> Allowance:
        return Allowance(project_id, held if self._on else None)
