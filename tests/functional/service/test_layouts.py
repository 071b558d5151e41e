"""What configuration makes of providers and classes, from claim to release."""

import uuid

from tests.fixtures import inprocess
from tests.functional.service import base

PF, VF = inprocess.PF, inprocess.VF
CARD = inprocess.CARDS[0]


class LayoutTest(base.ServiceTest):
    def usages(self):
        """Names of the host's providers of which something is used."""
        return {
            one['name']: one['usages']
            for one in self.service.providers()
            if any(one['usages'].values())
        }

    def lead_a_claim(self, resource_class, expected):
        """Claim a card with a function, load another, give it back.

        :param expected: What Placement has of the class with nothing held.
        """
        self.assertEqual(expected, self.service.stock(resource_class))
        function = uuid.uuid4().hex
        image = self.service.known_image(function)
        claim = self.service.claim(
            resource_class=resource_class, image_uuid=image
        )
        self.assertEqual(resource_class, claim['resource_class'])
        (address,) = claim['addresses']
        self.assertEqual(function, self.service.function(address))
        total, reserved, _ = expected
        held = (total, reserved, 1)
        self.assertEqual(held, self.service.stock(resource_class))
        self.assertEqual(1, self.service.allocated(claim['uuid']))
        self.service.released(claim['uuid'])
        self.assert_nothing_left()
        self.service.until(
            'its stock is offered again',
            lambda: self.service.stock(resource_class) == expected,
        )


class TestRegions(LayoutTest):
    settings = {'placement': {'layout': 'region'}}

    def test_each_deployable_has_a_provider_of_its_own(self):
        regions = self.service.get('/deployables')['deployables']
        names = {one['name'] for one in self.service.providers()}
        self.assertEqual(len(regions), len(names))
        for region in regions:
            self.assertEqual(1, sum(region['name'] in name for name in names))

    def test_claim_leads_its_whole_life(self):
        self.lead_a_claim(PF, (2, 0, 0))

    def test_function_is_a_trait_of_the_one_that_holds_it(self):
        function = uuid.uuid4().hex
        image = self.service.known_image(function)
        claim = self.service.claim(image_uuid=image, resource_class=PF)
        trait = f'CUSTOM_FPGA_FUNCTION_ID_INTEL_{function.upper()}'

        def holders():
            return [
                one['name']
                for one in self.service.providers()
                if trait in one['traits']
            ]

        self.service.until('one has it', holders)
        self.assertEqual(list(self.usages()), holders())
        self.service.released(claim['uuid'])
        self.assertEqual({}, self.usages())


class TestExclusive(LayoutTest):
    settings = {'conductor': {'exclusive_deployables': True}}

    def test_rest_of_a_region_is_kept_for_its_holder(self):
        self.assertEqual((4, 0, 0), self.service.stock(VF))
        claim = self.service.claim(resource_class=VF)
        self.service.until(
            'the rest is reserved',
            lambda: self.service.stock(VF) == (4, 3, 1),
        )
        stranger = self.service.ask(token=inprocess.MALLORY, resource_class=VF)
        self.refused(409, stranger)
        more = self.service.claim(
            token=inprocess.ADAM, resource_class=VF, count=2
        )
        self.service.until(
            'one is left', lambda: self.service.stock(VF) == (4, 1, 3)
        )
        for one in (claim, more):
            self.service.released(one['uuid'])
        self.assert_nothing_left()
        self.service.until(
            'all are offered', lambda: self.service.stock(VF) == (4, 0, 0)
        )
        other = self.service.claim(token=inprocess.MALLORY, resource_class=VF)
        self.service.released(other['uuid'], token=inprocess.MALLORY)


class TestShared(LayoutTest):
    def test_types_are_no_promise_while_somebody_holds_a_part(self):
        self.service.known_image(region=inprocess.VF_REGION)
        trait = f'CUSTOM_ACCELERATOR_{self.service.type.upper()}'

        def has():
            return trait in self.service.traits(VF)

        self.service.until('it can be programmed', has)
        claim = self.service.claim(resource_class=VF)
        self.service.until('it cannot any more', lambda: not has())
        self.service.released(claim['uuid'])
        self.service.until('it can again', has)


class TestClassOfADriver(LayoutTest):
    """As clouds that come from Cyborg have it: one standard class."""

    settings = {'placement': {'resource_classes': {'intel_dfl': 'FPGA'}}}

    def test_claim_leads_its_whole_life(self):
        for one in self.service.providers():
            self.assertEqual(['FPGA'], list(one['inventories']))
        self.lead_a_claim('FPGA', (6, 0, 0))

    def test_class_by_default_is_the_hosts_own(self):
        claim = self.service.claim()
        self.assertEqual('FPGA', claim['resource_class'])
        self.service.released(claim['uuid'])
        self.refused(409, self.service.ask(resource_class=PF))


class TestClassOfACard(LayoutTest):
    """The card's own comes before its driver's, and is made a custom one."""

    settings = {
        'placement': {
            'resource_classes': {'8086/09c4': 'lab-card', 'intel_dfl': 'FPGA'}
        }
    }

    def test_claim_leads_its_whole_life(self):
        self.assertEqual((4, 0, 0), self.service.stock('FPGA'))
        self.lead_a_claim('CUSTOM_LAB_CARD', (2, 0, 0))
