"""What the tests of the query modules share."""

import contextlib
import dataclasses
import uuid
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from oslotest import base
from sqlalchemy import event

from cyborg_fpga import context
from cyborg_fpga import model
from cyborg_fpga import nouns
from cyborg_fpga.db import deployables
from cyborg_fpga.db import engine
from cyborg_fpga.db import models
from cyborg_fpga.db import orders
from cyborg_fpga.db import outcomes
from cyborg_fpga.db import reports
from cyborg_fpga.db import reservations
from tests.fixtures import database

HOST = 'node1.example.com'
CARD = '0000:3b:00.0'
OTHER_CARD = '0000:5e:00.0'
FUNCTION = 'f' * 32
REGION_ID = 'a' * 32


def new_uuid() -> str:
    return str(uuid.uuid4())


def addresses(card: str, *functions: int) -> tuple[model.PciAddress, ...]:
    """Functions of the card at *card*, e.g. 1, 2 for ``….1``, ``….2``."""
    return tuple(
        model.PciAddress.parse(f'{card[:-3]}{number // 8:x}.{number % 8}')
        for number in functions
    )


def region(
    card: str = CARD, *, vfs: int = 0, **members: Any
) -> model.DeployableReport:
    """One region: the whole function, or *vfs* virtual ones."""
    kind = model.HandleKind.VF if vfs else model.HandleKind.PF
    values: dict[str, Any] = {
        'name': f'{card}/0',
        'handles': addresses(card, *(range(1, vfs + 1) if vfs else (0,))),
        'handle_kind': kind,
        'region_id': REGION_ID,
        'wipe_levels': (model.WipeLevel.RESET, model.WipeLevel.CLEAR),
    }
    return model.DeployableReport(**{**values, **members})


def card(
    address: str = CARD,
    *regions: model.DeployableReport,
    **members: Any,
) -> model.DeviceReport:
    values: dict[str, Any] = {
        'driver': 'intel_dfl',
        'pci_address': model.PciAddress.parse(address),
        'vendor': 'intel',
        'family': 'PAC_A10',
        'vendor_id': '8086',
        'product_id': '09c4',
        'deployables': regions or (region(address),),
    }
    return model.DeviceReport(**{**values, **members})


class DatabaseTest(base.BaseTestCase):
    """A database with empty tables; ``self.ctx`` to ask it with."""

    backend = 'sqlite'

    def setUp(self) -> None:
        super().setUp()
        self.database = self.useFixture(database.Database(self.backend))
        self.ctx = context.service()
        self._sequence = 0

    def report(
        self, *cards: model.DeviceReport, **members: Any
    ) -> model.HostReport:
        """The next report of a host; each has another digest."""
        self._sequence += 1
        values: dict[str, Any] = {
            'hostname': HOST,
            'boot_id': 1,
            'sequence': self._sequence,
            'digest': f'digest {self._sequence}',
            'resource_provider_name': HOST,
            'devices': cards,
        }
        return model.HostReport(**{**values, **members})

    def store(
        self, *cards: model.DeviceReport, **members: Any
    ) -> dict[str, int]:
        """Store the next report, of one plain card if none is given."""
        return reports.store(
            self.ctx,
            self.report(*(cards or (card(),)), **members),
            model.Layout.POOL,
        )

    def stored(self, *cards: model.DeviceReport) -> nouns.Deployable:
        """Store the next report; its first deployable."""
        self.store(*cards)
        return self.regions()[0]

    def regions(self, hostname: str = HOST) -> list[nouns.Deployable]:
        return deployables.of_host(self.ctx, hostname)

    def again(self, found: nouns.Deployable) -> nouns.Deployable:
        """The record as it is now."""
        return deployables.get(self.ctx, found.uuid)

    def reserve(
        self, found: nouns.Deployable, handles: int = 1, **values: Any
    ) -> str:
        """A new claim of so many handles; its uuid."""
        uuid = new_uuid()
        columns = {'uuid': uuid, 'origin': 'api', 'project_id': 'p'}
        reservations.reserve(
            self.ctx, {**columns, **values}, {found.id: handles}
        )
        return uuid

    def operation(
        self,
        found: nouns.Deployable,
        *,
        kind: str = 'program',
        fence: int | None = None,
        seconds: float = 60,
        owner: str = 'me',
        lease: float = 30,
        **values: Any,
    ) -> model.Operation:
        new = orders.New(
            deployable_id=found.id,
            values={'uuid': new_uuid(), 'kind': kind, **values},
            seconds=seconds,
            fence=fence,
        )
        return orders.create(self.ctx, [new], owner=owner, lease=lease)[0]

    def finish(
        self,
        operation: model.Operation,
        *,
        quarantine_after: int = 3,
        **members: Any,
    ) -> model.Operation | None:
        """Record an outcome: a failure that touched the card, unless said."""
        values: dict[str, Any] = {
            'uuid': operation.uuid,
            'fence': operation.fence,
            'done': True,
            'touched': True,
        }
        return outcomes.finish(
            self.ctx,
            model.OperationStatus(**{**values, **members}),
            quarantine_after=quarantine_after,
        )

    def row(self, table: Any, **where: Any) -> Any:
        """The columns of the one row that matches, as they are stored."""
        query = sa.select(table.__table__).filter_by(**where)
        with engine.get_engine().connect() as connection:
            return connection.execute(query).mappings().one()

    def change(self, table: Any, where: Any, **values: Any) -> None:
        """Write past the query modules."""
        with engine.get_engine().begin() as connection:
            connection.execute(sa.update(table).where(where).values(**values))

    def delete(self, table: Any) -> None:
        """Empty a table, past the query modules."""
        with engine.get_engine().begin() as connection:
            connection.execute(sa.delete(table))

    def expire_leases(self) -> None:
        for table in (models.Operation, models.Claim, models.Cursor):
            self.change(table, sa.true(), lease_expires=1.0)

    @contextlib.contextmanager
    def statements(self) -> Iterator[list[str]]:
        """The SQL that is executed inside, BEGIN and COMMIT left out."""
        seen: list[str] = []

        def executed(*arguments: Any) -> None:
            if not str(arguments[2]).startswith('BEGIN'):
                seen.append(' '.join(str(arguments[2]).split()))

        pools = engine.engines()
        for pool in pools:
            event.listen(pool, 'before_cursor_execute', executed)
        try:
            yield seen
        finally:
            for pool in pools:
                event.remove(pool, 'before_cursor_execute', executed)


def later(report: model.HostReport, **members: Any) -> model.HostReport:
    """The same report, one sequence on."""
    return dataclasses.replace(
        report, **{'sequence': report.sequence + 1, **members}
    )


def order(statements: Sequence[str], *starts: str) -> list[int]:
    """Where statements that start so first stand."""
    return [
        next(n for n, text in enumerate(statements) if text.startswith(start))
        for start in starts
    ]
