"""What a bind and a deletion cost, and who is told of them when."""

import functools

import sqlalchemy as sa

from cyborg_fpga.db import arqs
from cyborg_fpga.db import hosts
from cyborg_fpga.db import models
from tests.unit.conductor import base
from tests.unit.conductor import test_arqs
from tests.unit.db import base as db


class TestCost(test_arqs.ArqTest):
    """Statements of a request, whatever else is in the tables."""

    def setUp(self):
        super().setUp()
        self.see_all()
        self.tell_placement()
        self.shared, self.other = sorted(
            {
                region.rp_uuid
                for region in self.regions()
                if len(region.handles) == 16
            }
        )
        self.whole = self.regions()[0].rp_uuid
        self.assertNotIn(self.whole, (self.shared, self.other))

    def see_all(self):
        cards = [f'0000:{number:02x}:00.0' for number in range(16, 24)]
        shared = [
            db.card(card, db.region(card, vfs=16))
            for card in (db.OTHER_CARD, '0000:5f:00.0')
        ]
        report = self.report(*map(db.card, cards), *shared)
        self.ask('report', report=report.to_wire())

    def lose_all(self):
        self.ask('report', report=self.report().to_wire())

    def crowd(self, count=112):
        """As many ARQs that other instances have on another host."""
        big = db.card(db.CARD, db.region(db.CARD, vfs=count))
        name = {'hostname': 'crowded', 'resource_provider_name': 'crowded'}
        report = self.report(big, **name)
        self.ask('report', report=report.to_wire())
        provider = self.regions('crowded')[0].rp_uuid
        for _ in range(4):
            uuids = self.request(self.group(count // 4))
            self.bind(
                uuids,
                arqs=dict.fromkeys(uuids, provider),
                hostname='crowded',
            )

    def costs(self, provider, meanwhile=lambda: None, **accel):
        """:meth:`costs_of` eight of a provider's."""
        words = {f'accel:{key}': value for key, value in accel.items()}
        group = (provider, 8, lambda: words)
        return self.costs_of(group, meanwhile=meanwhile)

    def costs_of(self, *groups, before=lambda: None, meanwhile=lambda: None):
        """Of a bind and a deletion of eight, each first alone and then with
        112 others.

        :param groups: Providers, how many of each, and what makes what
            else a device profile says of them.
        :param before: Happens before they are bound.
        :param meanwhile: Happens while they are bound.
        """
        for others in (0, 112):
            if others and not self.regions('crowded'):
                self.crowd(others)
            before()
            uuids = self.request(
                *({**self.group(count), **more()} for _, count, more in groups)
            )
            instance = db.new_uuid()
            providers = [p for p, count, _ in groups for _ in range(count)]
            wanted = dict(zip(uuids, providers, strict=True))
            request = self.wish(uuids, instance, arqs=wanted)
            with self.statements() as bound:
                self.arqs.bind(base.ALICE, request)
            with self.statements() as listed:
                arqs.of_instance(self.ctx, instance)
            with self.statements() as paged:
                arqs.list_page(self.ctx, filters={}, limit=1000)
            self.assertEqual([1, 1], [len(listed), len(paged)])
            meanwhile()
            with self.statements() as gone:
                self.arqs.delete_of_instance(self.ctx, instance, None)
            self.assertEqual([], self.states(uuids))
            self.repair()
            yield bound, gone

    def repair(self):
        """All that is free can be had again."""
        self.see_all()
        self.change(
            models.Deployable,
            sa.true(),
            wipe_pending=False,
            bitstream_private=False,
            state='idle',
        )
        self.change(models.Device, sa.true(), status='enabled', health='ok')
        self.tell_placement()

    def assert_cheap(self, costs, bind=20, delete=10):
        """The same whatever else is there, and not more than that."""
        (bound, gone), more = costs
        self.assertLessEqual(len(bound), bind, bound)
        self.assertLessEqual(len(gone), delete, gone)
        self.assertEqual([len(bound), len(gone)], [len(s) for s in more])

    def test_bind_and_delete_of_whole_cards(self):
        # With what Placement is told, that they must be wiped.
        self.assert_cheap(self.costs(self.whole), bind=14)

    def test_bind_and_delete_of_parts_of_one_card(self):
        # With what Placement is told, that nobody else can program it.
        self.assert_cheap(self.costs(self.shared))

    def test_bind_and_delete_of_parts_that_others_have_too(self):
        uuids = self.request(self.group(2))
        self.bind(uuids, arqs=dict.fromkeys(uuids, self.shared))
        self.assert_cheap(self.costs(self.shared), delete=7)

    def test_delete_of_parts_that_others_have_too_of_what_nobody_may_join(
        self,
    ):
        uuids = self.request(self.group(2))
        self.bind(uuids, arqs=dict.fromkeys(uuids, self.shared))
        for table, values in (
            (models.Deployable, {'bitstream_private': True}),
            (models.Deployable, {'state': 'unknown'}),
            (models.Device, {'status': 'maintaining'}),
            (models.Device, {'health': 'lost'}),
        ):
            change = functools.partial(self.change, table, sa.true(), **values)
            self.assert_cheap(self.costs(self.shared, change))

    def test_delete_of_what_is_lost(self):
        self.assert_cheap(self.costs(self.whole, self.lose_all))

    def known(self, **values):
        """The id of an image that the catalogue has."""
        image = self.image(**values)
        self.manager._catalogue.lookup(self.ctx, image)
        return image

    def test_bind_and_delete_of_what_is_programmed_first(self):
        image = self.known()
        self.assert_cheap(self.costs(self.whole, bitstream_id=image), bind=16)
        # With what Placement is told, that nobody else can program it.
        self.assert_cheap(self.costs(self.shared, bitstream_id=image))

    def test_of_what_is_asked_for_by_what_it_does(self):
        self.known(name='crypt')
        for accel in (
            {'type': 'crypto'},
            {'function_id': base.FUNCTION},
            {'bitstream_name': 'crypt'},
        ):
            with self.subTest(accel):
                self.assert_cheap(self.costs(self.shared, **accel))

    def test_of_what_a_trait_asks_for(self):
        self.known()
        names = ('INTEL', 'CRYPTO')
        wanted = {f'trait:CUSTOM_HW_{name}': 'required' for name in names}
        self.assert_cheap(self.costs_of((self.shared, 8, lambda: wanted)))

    def test_of_what_the_catalogue_does_not_know_yet(self):
        def new():
            return {'accel:bitstream_id': self.image()}

        self.assert_cheap(self.costs_of((self.shared, 8, new)))
        both = (self.shared, 4, new), (self.other, 4, new)
        self.assert_cheap(self.costs_of(*both))

    def test_of_what_glance_has_changed(self):
        image = self.known()

        def change():
            self.image(ident=image, name=db.new_uuid())

        wanted = (self.shared, 8, lambda: {'accel:type': 'crypto'})
        self.assert_cheap(self.costs_of(wanted, before=change))

    def test_of_two_cards_that_are_programmed(self):
        image = self.known()
        shares = [
            (provider, 4, lambda: {'accel:bitstream_id': image})
            for provider in (self.shared, self.other)
        ]
        self.assert_cheap(self.costs_of(*shares))

    def test_of_groups_that_ask_for_different_things(self):
        one, two = self.known(name='one'), self.known(name='two')
        self.assert_cheap(
            self.costs_of(
                (
                    self.shared,
                    4,
                    lambda: {
                        'accel:bitstream_id': one,
                        'accel:wipe_level': 'clear',
                    },
                ),
                (self.other, 2, lambda: {'accel:bitstream_name': 'two'}),
                (self.whole, 1, lambda: {'accel:type': 'crypto'}),
                (self.whole, 1, lambda: {'accel:bitstream_id': two}),
            )
        )

    def test_of_what_somebody_left(self):
        image = self.known()

        def leave():
            self.change(
                models.Deployable,
                sa.true(),
                bitstream_id=image,
                function_id=base.FUNCTION,
                bitstream_private=True,
            )

        for provider in (self.whole, self.shared):
            wanted = (provider, 8, dict)
            self.assert_cheap(self.costs_of(wanted, before=leave))


class TestCompany(test_arqs.ArqTest):
    def shared(self):
        """Two ARQs of different instances on one card; its deployable."""
        self.ask('report', report=self.shared_card(3).to_wire())
        shared = next(r for r in self.regions() if len(r.handles) == 3)
        both = [
            self.request({'resources:CUSTOM_FPGA_INTEL_VF': '1'})
            for _ in range(2)
        ]
        for uuids in both:
            self.bind(uuids, arqs=dict.fromkeys(uuids, shared.rp_uuid))
        del self.asked[:]
        self.tell_placement()
        return both, shared

    def reserved(self):
        """What Placement was told of the shared card."""
        return next(
            provider.reserved
            for provider in self.rooms.tree.values()
            if provider.total == 3
        )

    def test_who_leaves_others_on_a_card_waits_for_nobody(self):
        both, _ = self.shared()
        self.manager.reconciler._woken.clear()
        with self.statements() as seen:
            self.ask('delete_arqs', uuids=both[0], visible_to=None, bound=True)
        self.assertNotIn('sync_tree', self.methods())
        self.assertLessEqual(len(seen), 10, seen)
        self.assertFalse(self.manager.reconciler._woken.is_set())
        # It is looked at all the same.
        self.assertEqual([db.HOST], hosts.stale(self.ctx))

    def test_who_joins_others_on_a_card_waits_for_nobody(self):
        _, shared = self.shared()
        uuids = self.request({'resources:CUSTOM_FPGA_INTEL_VF': '1'})
        with self.statements() as seen:
            self.bind(uuids, arqs=dict.fromkeys(uuids, shared.rp_uuid))
        self.assertFalse(
            [s for s in seen if 'UPDATE hosts SET placement_digest' in s]
        )
        self.assertEqual([db.HOST], hosts.stale(self.ctx))

    def test_last_one_on_a_card_has_it_wiped_at_once(self):
        both, _ = self.shared()
        for uuids in both:
            self.manager.reconciler._woken.clear()
            self.ask('delete_arqs', uuids=uuids, visible_to=None, bound=True)
        self.assertTrue(self.manager.reconciler._woken.is_set())
        self.assertEqual(3, self.reserved())

    def test_what_is_not_for_everybody_is_reserved_at_once(self):
        changes = {
            'private': (models.Deployable, {'bitstream_private': True}),
            'programming': (models.Deployable, {'state': 'programming'}),
            'maintaining': (models.Device, {'status': 'maintaining'}),
            'suspect': (models.Device, {'health': 'suspect'}),
            'quarantined': (models.Device, {'health': 'quarantined'}),
            'disabled': (models.Host, {'status': 'disabled'}),
            'down': (models.Host, {'up': False}),
        }
        for what, (table, values) in changes.items():
            both, shared = self.shared()
            self.change(table, sa.true(), **values)
            self.ask('delete_arqs', uuids=both[0], visible_to=None, bound=True)
            self.assertEqual(2, self.reserved(), what)
            self.assertFalse(self.again(shared).wipe_pending, what)
            self.arqs.delete(self.ctx, both[1], None, bound=True)
            self.change(
                models.Deployable,
                sa.true(),
                wipe_pending=False,
                bitstream_private=False,
                state='idle',
            )
            enabled = {'status': 'enabled'}
            self.change(models.Device, sa.true(), health='ok', **enabled)
            self.change(models.Host, sa.true(), up=True, **enabled)

    def test_what_is_kept_for_its_holder_is_reserved_at_once(self):
        self.database.conf.set_override(
            'exclusive_deployables', True, 'conductor'
        )
        both, _ = self.shared()
        self.ask('delete_arqs', uuids=both[0], visible_to=None, bound=True)
        self.assertEqual(2, self.reserved())
