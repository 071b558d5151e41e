"""A server with cards, from its flavor to its end, with a real Nova."""

import concurrent.futures

from tests.fixtures import openstack
from tests.functional.nova import base

#: No more than one host has room for: Placement lets two that ask for the
#: last one at a time both have it.
_MANY = openstack.ALIKE - 1


class TestServer(base.CloudTest):
    def test_flavor_with_a_profile_boots_with_its_bitstream_loaded(self):
        image, function = self.new_function()
        server = self.cloud.boot(self.profile(image, amount=2))
        arqs = self.assert_has(server, function, amount=2)
        project = self.cloud.keystone.project('member')
        for arq in arqs:
            self.assertEqual(project, arq['project_id'])
            self.assertEqual(server, arq['instance_uuid'])
        self.assertEqual(2, self._used())
        self.cloud.delete(server)
        self.assert_all_free()
        self.assertEqual([], self.cloud.arqs(server))
        self.assertEqual(0, self._used())

    def test_many_that_boot_at_a_time_get_a_card_each(self):
        image, function = self.new_function()
        flavor = self.profile(image)
        with concurrent.futures.ThreadPoolExecutor(5) as pool:
            servers = list(pool.map(self.cloud.boot, [flavor] * _MANY))
        cards = set()
        for server in servers:
            (arq,) = self.assert_has(server, function)
            info = tuple(sorted(arq['attach_handle_info'].items()))
            cards.add((arq['hostname'], info))
        self.assertEqual(_MANY, len(cards))

    def test_one_of_two_gets_the_last_card(self):
        image, function = self.new_function(family='N6001')
        flavor = self.profile(image, family=openstack.N6001)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            servers = list(pool.map(self.cloud.boot, [flavor] * 2))
        ends = {one: self.cloud.settled(one)['status'] for one in servers}
        self.assertEqual(['ACTIVE', 'ERROR'], sorted(ends.values()))
        winner, loser = sorted(ends, key=ends.get)
        self.assert_has(winner, function)
        self.assert_failed(loser)

    def test_flavor_without_a_profile_has_its_cards_claimed(self):
        """The proof of concept's; nobody attaches what Nova allocates."""
        image, function = self.new_function(type='crypto')
        wanted = {
            f'resources:{openstack.PF}': '2',
            'trait:CUSTOM_HW_INTEL': 'required',
            'trait:CUSTOM_HW_CRYPTO': 'required',
        }
        self.cloud.until('it is offered', self._is_crypto_offered)
        server = self.cloud.boot(self.cloud.flavor(wanted))
        self.cloud.settled(server, 'ACTIVE')
        member = self.cloud.user('member').accelerator
        body = {'instance_uuid': server, 'image_uuid': image}
        uuid = member.post('/claims', json=body).json()['uuid']

        def ready():
            claim = member.get(f'/claims/{uuid}').json()
            self.assertNotEqual('failed', claim['state'], claim)
            return claim if claim['state'] == 'ready' else None

        claim = self.cloud.until('the claim is ready', ready)
        shown = self.cloud.show(server)
        self.assertEqual(claim['hostname'], shown['OS-EXT-SRV-ATTR:host'])
        self.assertEqual(2, len(claim['addresses']))
        for address in claim['addresses']:
            loaded = self.cloud.function_at(claim['hostname'], address)
            self.assertEqual(function, loaded)
        self.assertEqual(2, self._used())
        self.cloud.delete(server)
        self.assert_all_free()
        gone = member.get(f'/claims/{uuid}', raise_exc=False)
        self.assertEqual(404, gone.status_code)

    def _is_crypto_offered(self):
        return any(
            'CUSTOM_HW_CRYPTO' in one['traits']
            for one in self.cloud.providers()
        )

    def _used(self):
        return sum(
            sum(one['usages'].values()) for one in self.cloud.providers()
        )
