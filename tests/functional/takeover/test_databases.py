"""Records of Cyborg's in every database that this service may have."""

import uuid

import sqlalchemy as sa

from cyborg_fpga.db import arqs
from cyborg_fpga.db import engine
from cyborg_fpga.db import models
from tests.unit.takeover import test_import


class TestOnMariaDB(test_import.ImportTest):
    backend = 'mariadb'

    def test_import_is_done_once_and_whole(self):
        profile = self.cyborg.profile()
        _, handles = self.cyborg.card(handles=4)
        self.cyborg.card('0000:86:00.0', rp_uuid=None)
        instance = str(uuid.uuid4())
        bound = [
            self.cyborg.bound(profile, handle, instance_uuid=instance)
            for handle in handles[:2]
        ]
        self.cyborg.arq(profile)
        self.cyborg.arq(
            profile, 'BindStarted', instance_uuid=str(uuid.uuid4())
        )
        before = self.counts()
        planned = self.added(dry_run=True)
        self.assertEqual(before, self.counts())
        self.assertEqual(planned, self.added())
        self.assertEqual(4, planned['accelerator requests'])
        self.assertEqual(
            ['0000:5e:00.1', '0000:5e:00.2'],
            [str(self.arq(row).address) for row in bound],
        )
        with engine.get_engine().connect() as connection:
            guards = connection.execute(
                sa.select(models.Claim.instance_guard).where(
                    models.Claim.instance_uuid == instance
                )
            ).scalars()
            self.assertEqual({instance, None}, {*guards})
        self.assertEqual(1, len(arqs.take_events(self.ctx, 9, 1.0)))
        after = self.counts()
        self.assertEqual({}, self.added())
        self.assertEqual(after, self.counts())


class TestOnPostgreSQL(TestOnMariaDB):
    backend = 'postgresql'
