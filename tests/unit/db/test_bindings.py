"""What a bind changes beside the claims that it makes."""

from cyborg_fpga.db import arqs
from cyborg_fpga.db import bindings
from cyborg_fpga.db import device_profiles
from cyborg_fpga.db import hosts
from tests.unit.db import base


class TestPlacement(base.DatabaseTest):
    def setUp(self):
        super().setUp()
        self.store(
            base.card(base.CARD, base.region(vfs=2)),
            base.card(base.OTHER_CARD),
        )
        self.shared, self.whole = self.regions()
        self.profile = device_profiles.create(
            self.ctx, base.new_uuid(), name='one', groups=[{}]
        )
        hosts.start_telling(self.ctx, base.HOST, 'me', 60)

    def bind(self, region):
        (arq,) = arqs.create(self.ctx, self.profile, [0])
        place = bindings.Place(
            region_id=region.id,
            rp_uuid=base.new_uuid(),
            resource_class='CLASS',
            image_uuid=None,
        )
        bindings.bind(
            self.ctx,
            {arq.uuid: place},
            instance_uuid=base.new_uuid(),
            project_id=None,
            owner='me',
            lease=30,
        )

    def test_placement_is_told_of_what_is_left_of_a_deployable(self):
        self.bind(self.whole)
        self.assertEqual([], hosts.stale(self.ctx))
        self.bind(self.shared)
        self.assertEqual([base.HOST], hosts.stale(self.ctx))
