"""A conductor's endpoint on real records, with stand-ins around it."""

from unittest import mock

import oslo_messaging as messaging

from cyborg_fpga import context
from cyborg_fpga import model
from cyborg_fpga.clients import glance
from cyborg_fpga.clients import nova
from cyborg_fpga.clients import placement
from cyborg_fpga.conductor import manager
from cyborg_fpga.db import claims
from cyborg_fpga.db import operations
from cyborg_fpga.rpc import agent
from tests.unit.conductor import standins
from tests.unit.db import base

CARDS = (base.CARD, base.OTHER_CARD)
FUNCTION = 'c' * 32
VF = 'CUSTOM_FPGA_INTEL_VF'


def caller(project):
    return context.RequestContext(
        user_id='u',
        project_id=project,
        roles=['member'],
        auth_token=f'token of {project}',
        overwrite=False,
    )


ALICE, BOB = caller('alice'), caller('bob')


class ConductorTest(base.DatabaseTest):
    """One host with two like cards has reported.

    :ivar asked: What was asked of others, in order.
    """

    def setUp(self):
        super().setUp()
        self.asked = []
        self.rooms = standins.Rooms(self.asked)
        self.agents = standins.Agents(self.asked)
        self.images = standins.Images()
        self.nova = standins.Nova()
        self.manager = self.conductor()
        self.addCleanup(self.manager.reconciler.stop)
        self.ask('report', report=self.cards().to_wire())
        del self.asked[:]

    def conductor(self):
        """A manager, and with it all the parts of a conductor."""
        conf = self.database.conf
        with (
            mock.patch.object(placement, 'Placement', lambda _: self.rooms),
            mock.patch.object(glance, 'Glance', lambda _: self.images),
            mock.patch.object(nova, 'Nova', lambda _: self.nova),
            mock.patch.object(agent, 'AgentAPI', lambda *_: self.agents),
        ):
            return manager.Manager(conf, None)

    def cards(self, **members):
        """The host's next report."""
        return self.report(*map(base.card, CARDS), **members)

    def shared_card(self, vfs=2):
        """A report in which one card's region has several functions."""
        shared = base.card(base.CARD, base.region(vfs=vfs))
        return self.report(shared, base.card(base.OTHER_CARD))

    def only_resetting(self):
        """A report in which no card can be cleared."""
        levels = (model.WipeLevel.RESET,)
        return self.report(
            *(
                base.card(card, base.region(card, wipe_levels=levels))
                for card in CARDS
            )
        )

    def tell_placement(self):
        enabled = {'status': 'enabled'}
        self.ask('set_host', hostname=base.HOST, values=enabled)

    def ask(self, method, *, ctx=None, **arguments):
        """Call the endpoint as a message does; its refusal is raised."""
        try:
            return getattr(self.manager, method)(ctx or self.ctx, **arguments)
        except messaging.ExpectedException as exc:
            raise exc.exc_info[1] from None

    def image(self, *, region=base.REGION_ID, ident=None, **values):
        """The id of an image that fits the cards; it is new or changed."""
        properties = {
            'region_id': region,
            'function_id': FUNCTION,
            'type': 'crypto',
        }
        return self.images.add(
            ident or base.new_uuid(), properties=properties, **values
        )

    def claim(self, *, ctx=ALICE, **wanted):
        """Ask for a claim; its uuid."""
        uuid = base.new_uuid()
        self.ask('claim', ctx=ctx, uuid=uuid, request=wanted)
        return uuid

    def state(self, claim):
        return claims.get(self.ctx, claim).state

    def programmed(self, **wanted):
        """A claim whose programming has ended well; its uuid."""
        claim = self.claim(**wanted)
        for operation in operations.of_claim(self.ctx, claim):
            self.end(operation)
        self.assertEqual(model.ClaimState.READY, self.state(claim))
        return claim

    def load_everywhere(self, image, ctx):
        """Have every card hold *image*, programmed as by *ctx*."""
        for region in self.regions():
            operation = self.ask(
                'program',
                ctx=ctx,
                deployable_uuid=region.uuid,
                image_uuid=image,
                claim_uuid=None,
            )
            self.end(model.Operation.from_wire(operation))

    def end(self, operation, **members):
        """Have the agent tell how an operation ended: well, unless said."""
        clears = operation.wipe_level is model.WipeLevel.CLEAR
        values = {
            'succeeded': 'cause' not in members,
            'function_id': None if clears else operation.expected_function,
            'touched': True,
            **members,
        }
        status = model.OperationStatus(
            uuid=operation.uuid, fence=operation.fence, done=True, **values
        )
        self.ask('begin', uuid=operation.uuid, fence=operation.fence)
        self.ask('finish', status=status.to_wire())

    def held(self):
        """How many handles somebody holds."""
        return sum(
            1
            for region in self.regions()
            for handle in region.handles
            if handle.claim_uuid
        )

    def methods(self):
        return [method for method, _ in self.asked]

    def assert_nothing_held(self, claim):
        self.assertFalse(claims.exists(self.ctx, claim))
        self.assertEqual(0, self.held())
        self.assertEqual({}, self.rooms.held)
