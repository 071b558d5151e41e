"""Device profiles and attributes, when many write at once."""

import threading

import sqlalchemy as sa

from cyborg_fpga import errors
from cyborg_fpga.db import arqs
from cyborg_fpga.db import attributes
from cyborg_fpga.db import deployables
from cyborg_fpga.db import device_profiles
from cyborg_fpga.db import engine
from cyborg_fpga.db import models
from tests.functional.db import racing
from tests.functional.db import test_races
from tests.unit.db import base

ROUNDS = 10
#: Long enough for one who does not wait to have gone wrong.
_MEANWHILE = 0.5


class OnSQLite(test_races.RaceTest):
    def test_a_name_is_given_once(self):
        for turn in range(3):
            name = f'name{turn}'
            outcomes = self.run_all(
                'create_profile',
                [
                    {'uuid': base.new_uuid(), 'name': name}
                    for _ in range(racing.WORKERS)
                ],
                losers={'Duplicate'},
            )
            made = device_profiles.by_name(self.ctx, name)
            won = [done.value for done in outcomes if not done.error]
            self.assertEqual([made.uuid], won)

    def test_none_is_deleted_that_a_request_names(self):
        for turn in range(ROUNDS):
            name = f'name{turn}'
            made = device_profiles.create(
                self.ctx, base.new_uuid(), name=name, groups=[{}]
            )
            half = racing.WORKERS // 2
            outcomes = self.run_mixed(
                [('create_arqs', {'name': name})] * half
                + [('delete_profile', {'uuid': made.uuid})] * half,
                losers={'NotFound', 'InUse'},
            )
            named = {uuid for o in outcomes[:half] for uuid in o.value or ()}
            deleted = [o for o in outcomes[half:] if o.error is None]
            self.assertEqual(int(not named), len(deleted))
            self.assertEqual(
                named, {arq.uuid for arq in arqs.some(self.ctx, named)}
            )

    def test_a_fact_that_all_report_is_there_once(self):
        region = self.stored()
        for turn in range(3):
            facts = [('rc', 'FPGA'), ('trait0', f'CUSTOM_{turn}')]
            self.run_all(
                'report_attributes',
                [{'wanted': {region.id: facts}}] * racing.WORKERS,
            )
            found = attributes.of_deployables(self.ctx, [region.id])
            self.assertEqual({region.id: facts}, found)

    def test_every_given_trait_counts(self):
        region = self.stored()
        names = [f'CUSTOM_{n}' for n in range(racing.WORKERS)]
        self.run_all(
            'give_trait',
            [
                {
                    'deployable': region.id,
                    'uuid': base.new_uuid(),
                    'value': name,
                }
                for name in names
            ],
        )
        found = deployables.get(self.ctx, region.uuid)
        self.assertEqual(tuple(names), found.added_traits)


class OnMariaDB(OnSQLite):
    backend = 'mariadb'


class OnPostgreSQL(OnSQLite):
    backend = 'postgresql'


class LocksOnPostgreSQL(base.DatabaseTest):
    """SQLite lets one write at a time anyway."""

    backend = 'postgresql'

    def setUp(self):
        super().setUp()
        self.profile = device_profiles.create(
            self.ctx, base.new_uuid(), name='one', groups=[{}]
        )

    def outcome(self, function, *arguments, meanwhile):
        """How a call ends that comes while another has the profile.

        :param meanwhile: What that other does, once the call waits.
        """
        ended = []

        def run():
            try:
                ended.append(function(self.ctx, *arguments))
            except Exception as exc:
                ended.append(type(exc))

        thread = threading.Thread(target=run, daemon=True)
        table = models.DeviceProfile
        with engine.get_engine().begin() as connection:
            lock = sa.select(table.id).where(table.name == 'one')
            connection.execute(lock.with_for_update())
            thread.start()
            thread.join(_MEANWHILE)
            self.assertEqual([], ended, 'it did not wait')
            connection.execute(meanwhile)
        thread.join(60)
        return ended

    def test_deletion_waits_for_requests_that_are_made(self):
        made = sa.insert(models.Claim).values(
            uuid=base.new_uuid(),
            origin='nova',
            state='initial',
            device_profile_name='one',
            device_profile_group_id=0,
        )
        ended = self.outcome(
            device_profiles.delete, self.profile.uuid, meanwhile=made
        )
        self.assertEqual([errors.InUse], ended)

    def test_requests_wait_for_a_deletion(self):
        ended = self.outcome(
            arqs.create,
            self.profile,
            [0],
            meanwhile=sa.delete(models.DeviceProfile),
        )
        self.assertEqual([errors.NotFound], ended)


class LocksOnMariaDB(LocksOnPostgreSQL):
    backend = 'mariadb'
