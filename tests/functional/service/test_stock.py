"""What Placement is told of a host, and what operators say."""

import time
import uuid

from cyborg_fpga.db import hosts
from tests.fixtures import inprocess
from tests.functional.service import base

PF, VF = inprocess.PF, inprocess.VF


def function_trait(function):
    return f'CUSTOM_FPGA_FUNCTION_ID_INTEL_{function.upper()}'


class TestStock(base.ServiceTest):
    def test_pools_and_traits_are_as_people_expect_them(self):
        self.service.known_image()
        self.service.until('the type is a trait', self.has_type)
        found = {
            name: (one['inventories'][name], set(one['traits']))
            for one in self.service.providers()
            for name in one['inventories']
        }
        self.assertEqual({PF, VF}, set(found))
        inventory, traits = found[PF]
        self.assertEqual(
            {
                'total': 2,
                'reserved': 0,
                'min_unit': 1,
                'max_unit': 2,
                'step_size': 1,
                'allocation_ratio': 1.0,
            },
            {k: v for k, v in inventory.items() if k != 'generation'},
        )
        self.assertLessEqual(
            {
                'CUSTOM_FPGA',
                'CUSTOM_HW_INTEL',
                'CUSTOM_FPGA_INTEL',
                'CUSTOM_FPGA_INTEL_PAC_A10',
                'CUSTOM_PROGRAMMABLE',
                f'CUSTOM_FPGA_REGION_INTEL_{inprocess.REGION.upper()}',
            },
            traits,
        )

    def test_trait_comes_and_goes_with_its_last_bitstream(self):
        first = self.service.known_image()
        second = self.service.known_image()
        self.service.until('it comes', self.has_type)
        self.service.cloud.delete(first)
        self.forgotten(first)
        self.assertTrue(self.has_type())
        self.service.cloud.untag(second)
        self.service.until('it goes', lambda: not self.has_type())

    def test_private_bitstream_changes_nothing_that_others_see(self):
        image = self.service.image(visibility='private', token=inprocess.ALICE)
        self.service.until(
            'it is known',
            lambda: self.service.call(
                'GET', f'/bitstreams/{image}', token=inprocess.ALICE
            ).status_int == 200,
        )  # fmt: skip
        self.service.until('Placement is told', self.service.told)
        self.assertFalse(self.has_type())
        self.refused(
            404,
            self.service.call(
                'GET', f'/bitstreams/{image}', token=inprocess.MALLORY
            ),
        )

    def test_function_is_no_trait_while_it_is_written(self):
        function = uuid.uuid4().hex
        other = self.service.image()
        image = self.service.image(function)
        claim = self.service.claim(image_uuid=image)
        self.service.until(
            'it is a trait', lambda: self.has(function_trait(function))
        )
        for card in inprocess.CARDS:
            self.service.simulator.fault(card, 'hang')
        answer = self.service.call(
            'POST', f'/claims/{claim["uuid"]}/program',
            {'image_uuid': other},
            token=inprocess.ALICE,
        )  # fmt: skip
        self.service.until(
            'the card is written to',
            lambda: self.service.get(f'/operations/{answer.json["uuid"]}')
            ['state'] == 'running',
        )  # fmt: skip
        self.assertFalse(self.has(function_trait(function)))

    def test_pool_is_filled_and_its_function_a_trait(self):
        function = uuid.uuid4().hex
        image = self.service.known_image(function)
        conf = self.service.conf
        conf.set_override('warm_pools', [f'{function}:1'], 'conductor')
        self.addCleanup(conf.clear_override, 'warm_pools', 'conductor')
        self.service.until(
            'it is a trait',
            lambda: self.has(function_trait(function)),
            seconds=60,
        )
        answer = self.service.ask(image_uuid=image)
        self.assertEqual(201, answer.status_int, answer.text)
        self.service.released(answer.json['uuid'])

    def test_nothing_new_costs_placement_nothing(self):
        self.service.until('all is told', self.service.told)
        time.sleep(0.5)
        before = self.service.placement.asked
        sequence = self.host().report_sequence
        self.service.until(
            'three reports came',
            lambda: self.host().report_sequence >= sequence + 3,
        )
        self.assertEqual(before, self.service.placement.asked)

    def test_disabled_card_stays_so_through_reports(self):
        device = self.service.device()
        path = f'/devices/{device["uuid"]}'
        self.service.call('POST', f'{path}/disable')
        self.assertEqual((2, 1, 0), self.service.stock())
        boot = self.host().boot_id
        self.service.stop_agent()
        self.service.start_agent()
        self.service.until(
            'a whole report came', lambda: self.host().boot_id > boot
        )
        self.assertEqual('maintaining', self.service.device()['status'])
        self.assertEqual((2, 1, 0), self.service.stock())
        self.refused(409, self.service.ask(resource_class=PF, count=2))
        self.service.call('POST', f'{path}/enable')
        self.assertEqual((2, 0, 0), self.service.stock())
        claim = self.service.claim(resource_class=PF, count=2)
        self.service.released(claim['uuid'])

    def test_holder_of_a_disabled_card_keeps_it(self):
        claim = self.service.claim(resource_class=PF)
        device = self.service.device(claim['addresses'][0])
        self.service.call('POST', f'/devices/{device["uuid"]}/disable')
        now = self.service.get(f'/claims/{claim["uuid"]}')
        self.assertEqual('ready', now['state'])
        self.service.released(claim['uuid'])
        self.assertEqual((2, 1, 0), self.service.stock())

    def test_layout_changes_once_nothing_is_held(self):
        claim = self.service.claim(resource_class=PF)
        self.assertEqual(2, len(self.service.providers()))
        self.service.conf.set_override('layout', 'region', 'placement')
        self.addCleanup(self.restart, 'pool')
        self.service.stop_conductor()
        self.service.start_conductor()
        self.service.until('all is told', self.service.told)
        self.assertEqual(2, len(self.service.providers()))
        self.service.released(claim['uuid'])
        self.service.until(
            'each card has a provider of its own',
            lambda: len(self.service.providers()) == 3,
        )
        self.assertEqual((2, 0, 0), self.service.stock())
        # Two of one request come from one provider, so not from two.
        self.refused(409, self.service.ask(resource_class=PF, count=2))
        for _ in range(2):
            self.service.claim(resource_class=PF)
        self.assertEqual((2, 0, 2), self.service.stock())

    def restart(self, layout):
        self.service.conf.set_override('layout', layout, 'placement')
        self.service.stop_conductor()
        self.service.start_conductor()

    def host(self):
        return hosts.get(inprocess.CTX, self.service.hostname)

    def has(self, trait):
        return trait in self.service.traits()

    def has_type(self):
        kind = self.service.type.upper()
        return self.has(f'CUSTOM_ACCELERATOR_{kind}') and self.has(
            f'CUSTOM_HW_{kind}'
        )

    def forgotten(self, image):
        self.service.until(
            f'{image} is forgotten',
            lambda: self.service.call(
                'GET', f'/bitstreams/{image}'
            ).status_int == 404,
        )  # fmt: skip
