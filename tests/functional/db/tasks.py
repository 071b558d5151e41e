"""What the processes of a race do. Arguments and values can be pickled."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from cyborg_fpga import context
from cyborg_fpga import model
from cyborg_fpga import nouns
from cyborg_fpga.db import arqs
from cyborg_fpga.db import attributes
from cyborg_fpga.db import bindings
from cyborg_fpga.db import bitstreams
from cyborg_fpga.db import claims
from cyborg_fpga.db import device_profiles
from cyborg_fpga.db import operations
from cyborg_fpga.db import orders
from cyborg_fpga.db import outcomes
from cyborg_fpga.db import reports
from cyborg_fpga.db import reservations
from cyborg_fpga.db import turns
from cyborg_fpga.db import unbindings

Context = context.RequestContext


def nothing(ctx: Context) -> None:
    """Wait for the others."""


def reserve(
    ctx: Context, uuid: str, picks: Mapping[int, int], **values: Any
) -> str:
    reservations.reserve(
        ctx,
        {'uuid': uuid, 'origin': 'api', 'project_id': 'p', **values},
        picks,
    )
    return uuid


def release(ctx: Context, uuid: str) -> bool:
    return claims.start_release(ctx, uuid)


def finish_release(ctx: Context, uuid: str) -> None:
    claims.finish_release(ctx, uuid)


def create(ctx: Context, deployable_id: int, uuid: str, **values: Any) -> int:
    new = orders.New(
        deployable_id=deployable_id,
        values={'uuid': uuid, 'kind': 'program', **values},
        seconds=60,
    )
    (operation,) = orders.create(ctx, [new], owner='me', lease=60)
    return operation.fence


def begin(ctx: Context, uuid: str, fence: int) -> None:
    operations.begin(ctx, uuid, fence)


def finish(ctx: Context, status: model.OperationStatus) -> bool:
    return outcomes.finish(ctx, status, quarantine_after=3) is not None


def program(
    ctx: Context, deployable_id: int, uuid: str, function: str
) -> None:
    """A whole programming that succeeds."""
    fence = create(ctx, deployable_id, uuid, image_uuid='image')
    finish(
        ctx,
        model.OperationStatus(
            uuid=uuid,
            fence=fence,
            done=True,
            succeeded=True,
            touched=True,
            function_id=function,
        ),
    )


def report(ctx: Context, report: model.HostReport) -> dict[str, int]:
    return reports.store(ctx, report, model.Layout.POOL)


def take_operations(ctx: Context, owner: str) -> list[str]:
    return [o.uuid for o in operations.take_unfinished(ctx, owner, 60)]


def take_claims(ctx: Context, owner: str) -> list[str]:
    return [c.uuid for c in claims.take_unfinished(ctx, owner, 60)]


def take_turn(ctx: Context, name: str, owner: str) -> bool:
    return turns.take(ctx, name, owner, 60)


def upsert(ctx: Context, rows: Sequence[nouns.Bitstream]) -> int:
    return bitstreams.upsert(ctx, rows)


def create_profile(ctx: Context, uuid: str, name: str) -> str:
    return device_profiles.create(ctx, uuid, name=name, groups=[]).uuid


def delete_profile(ctx: Context, uuid: str) -> None:
    device_profiles.delete(ctx, uuid)


def create_arqs(ctx: Context, name: str) -> list[str]:
    """As the API does it: the profile is looked up before."""
    profile = device_profiles.by_name(ctx, name)
    return [arq.uuid for arq in arqs.create(ctx, profile, [0, 0])]


def report_attributes(
    ctx: Context, wanted: Mapping[int, Sequence[tuple[str, str]]]
) -> int:
    return attributes.report(ctx, wanted)


def give_trait(ctx: Context, deployable: int, uuid: str, value: str) -> None:
    attributes.create(
        ctx, uuid, deployable=deployable, key='trait', value=value
    )


def bind_arqs(
    ctx: Context, places: Mapping[str, int], instance_uuid: str
) -> str:
    """Bind ARQs to deployables (row ids)."""
    bindings.bind(
        ctx,
        {
            uuid: bindings.Place(
                region_id=region_id,
                rp_uuid='provider',
                resource_class='CLASS',
                image_uuid=None,
            )
            for uuid, region_id in places.items()
        },
        instance_uuid=instance_uuid,
        project_id=None,
        owner='me',
        lease=60,
    )
    return instance_uuid


def delete_arqs(ctx: Context, uuids: Sequence[str]) -> int:
    return len(unbindings.delete(ctx, uuids, bound=True).uuids)


def take_events(ctx: Context) -> list[str]:
    return [e.arq_uuid for e in arqs.take_events(ctx, 100, 60)]
