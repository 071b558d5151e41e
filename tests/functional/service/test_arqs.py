"""An instance's road: requested, bound, programmed, told, deleted."""

import uuid

from tests.fixtures import inprocess
from tests.functional.service import novas

PF, VF = inprocess.PF, inprocess.VF


class TestBind(novas.NovaTest):
    def test_nothing_to_program_is_bound_before_the_answer(self):
        instance, arqs = self.boot(self.profile(amount=2), 2)
        found = self.of(instance)
        self.assertEqual({arq['uuid'] for arq in arqs}, set(found))
        addresses = set()
        for arq in found.values():
            self.assertEqual('Bound', arq['state'])
            self.assertEqual('PCI', arq['attach_handle_type'])
            self.assertEqual('demo', arq['project_id'])
            info = arq['attach_handle_info']
            self.assertEqual(
                ['bus', 'device', 'domain', 'function'], sorted(info)
            )
            addresses.add('{domain}:{bus}:{device}.{function}'.format(**info))
        self.assertEqual(set(inprocess.CARDS), addresses)
        self.told(instance, 'completed', arqs)
        self.assertEqual({'compute 2.82'}, self.service.nova.versions)
        self.delete(instance)
        self.assert_nothing_left()
        self.service.until(
            'all is offered again', lambda: self.service.stock() == (2, 0, 0)
        )

    def test_image_of_the_profile_is_loaded(self):
        function = uuid.uuid4().hex
        image = self.service.known_image(function)
        for how in (
            {'bitstream_id': image},
            {'function_id': str(uuid.UUID(function))},
            {'type': self.service.type},
        ):
            instance, arqs = self.boot(self.profile(**how))
            (arq,) = self.resolved(instance)
            self.assertEqual('Bound', arq['state'], how)
            info = arq['attach_handle_info']
            address = '{domain}:{bus}:{device}.{function}'.format(**info)
            self.assertEqual(function, self.service.function(address))
            self.told(instance, 'completed', arqs)
            self.delete(instance)
            self.assert_nothing_left()

    def test_vfs_of_one_region_are_programmed_once(self):
        image = self.service.known_image(region=inprocess.VF_REGION)
        loads = self.service.loads(inprocess.VF_CARD)
        profile = self.profile(resource_class=VF, amount=4, bitstream_id=image)
        instance, arqs = self.boot(profile, 4, VF)
        found = self.resolved(instance)
        self.assertEqual(['Bound'] * 4, [arq['state'] for arq in found])
        self.assertEqual(loads + 1, self.service.loads(inprocess.VF_CARD))
        self.told(instance, 'completed', arqs)
        self.delete(instance)
        self.assert_nothing_left()

    def test_loaded_card_of_a_pool_is_taken_first(self):
        image = self.service.known_image()
        profile = self.profile(bitstream_id=image)
        instance, _ = self.boot(profile)
        (first,) = self.resolved(instance)
        self.delete(instance)
        self.assert_nothing_left()
        loads = sum(map(self.service.loads, inprocess.CARDS))
        instance, _ = self.boot(profile)
        (arq,) = self.of(instance).values()
        self.assertEqual('Bound', arq['state'])
        self.assertEqual(
            first['attach_handle_info'], arq['attach_handle_info']
        )
        self.assertEqual(loads, sum(map(self.service.loads, inprocess.CARDS)))
        self.delete(instance)
