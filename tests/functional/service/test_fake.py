"""The card that is not there, from its stock in Placement to a release."""

import uuid

from cyborg_fpga.drivers import fake
from tests.fixtures import inprocess
from tests.functional.service import base
from tests.functional.service import novas

OURS = 'CUSTOM_FPGA_FAKE_VF'


class FakeTest(base.ServiceTest):
    settings = {'agent': {'enabled_drivers': ['fake']}}

    def region(self):
        path = f'/deployables?hostname={self.service.hostname}'
        (region,) = self.service.get(path)['deployables']
        return region

    def image(self, function):
        return self.service.known_image(
            function, region=fake.REGION, vendor=None
        )


class TestFake(FakeTest):
    def test_placement_has_what_cyborgs_test_beds_look_for(self):
        (provider,) = (p for p in self.service.providers() if p['inventories'])
        inventory = provider['inventories']['FPGA']
        self.assertEqual((16, 0), (inventory['total'], inventory['reserved']))
        self.assertIn('CUSTOM_FAKE_DEVICE', provider['traits'])

    def test_the_api_shows_it_as_cyborg_does(self):
        path = '/devices?type=FPGA&vendor=0xABCD'
        (card,) = self.service.get(path)['devices']
        self.assertEqual('0000:0c:00.0', card['pci_address'])
        region = self.region()
        self.assertEqual(16, region['num_accelerators'])
        self.assertIn('{"rc": "FPGA"}', region['attributes_list'])
        self.assertIn('CUSTOM_FAKE_DEVICE', region['attributes_list'])
        self.assertEqual({'TEST_PCI'}, {h['kind'] for h in region['handles']})

    def test_units_are_claimed_and_given_back(self):
        first = self.service.claim(
            resource_class='FPGA', traits=['CUSTOM_FAKE_DEVICE'], count=15
        )
        second = self.service.claim(
            token=inprocess.MALLORY, resource_class='FPGA'
        )
        addresses = {*first['addresses'], *second['addresses']}
        self.assertEqual(16, len(addresses))
        self.assertEqual((16, 0, 16), self.service.stock('FPGA'))
        code, _ = self.refused(409, self.service.ask(resource_class='FPGA'))
        self.assertEqual('fpga.no_capacity', code)
        self.service.released(first['uuid'])
        self.service.released(second['uuid'], token=inprocess.MALLORY)
        self.assert_nothing_left()
        self.assertEqual((16, 0, 0), self.service.stock('FPGA'))

    def test_a_claim_can_have_it_programmed(self):
        function = uuid.uuid4().hex
        image = self.image(function)
        claim = self.service.claim(type=self.service.type)
        self.assertEqual(1, len(claim['operation_uuids']))
        region = self.region()
        self.assertEqual(function, region['function_id'])
        self.assertEqual(image, region['bitstream_id'])
        # Who wants the same has it at once.
        second = self.service.claim(type=self.service.type)
        self.assertEqual([], second['operation_uuids'])
        for one in (claim, second):
            self.service.released(one['uuid'])
        self.assert_nothing_left()

    def test_what_is_for_another_region_is_refused(self):
        image = self.service.known_image()
        code, _ = self.refused(
            400, self.service.ask(image_uuid=image, resource_class='FPGA')
        )
        self.assertEqual('fpga.bitstream.does_not_fit', code)


class TestNova(novas.NovaTest):
    settings = FakeTest.settings

    def test_a_server_gets_units_that_are_not_attached(self):
        group = {
            'resources:FPGA': '2',
            'trait:CUSTOM_FAKE_DEVICE': 'required',
        }
        instance, arqs = self.boot(self.profile(group), 2, 'FPGA')
        found = self.resolved(instance)
        self.assertEqual({a['uuid'] for a in arqs}, {a['uuid'] for a in found})
        for arq in found:
            self.assertEqual('Bound', arq['state'])
            self.assertEqual('TEST_PCI', arq['attach_handle_type'])
            self.assertEqual('0c', arq['attach_handle_info']['bus'])
        self.told(instance, 'completed', arqs)
        path = f'/accelerator_requests?instance={instance}'
        self.assertEqual(204, self.nova('DELETE', path).status_int)
        self.service.rooms.release(instance)
        self.assert_nothing_left()


class TestOurClass(FakeTest):
    settings = {
        **FakeTest.settings,
        'placement': {'resource_classes': {'fake': OURS}},
    }

    def test_it_can_look_like_the_cards_of_this_service(self):
        claim = self.service.claim(resource_class=OURS)
        self.assertEqual((16, 0, 1), self.service.stock(OURS))
        self.service.released(claim['uuid'])
        self.assert_nothing_left()
