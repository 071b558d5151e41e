"""What a profile may name a function by, and every card of it shows."""

import uuid

from tests.fixtures import openstack
from tests.functional.nova import base


class TestWishes(base.CloudTest):
    """One group for each way; a server of all of them."""

    def named(self, **properties):
        """A function with a bitstream that has these *properties*."""
        _, function = self.new_function(**properties)
        return function

    def offered(self, trait):
        """Wait until Placement knows where it can be had; a profile's key."""
        self.cloud.until(
            f'{trait} is offered',
            lambda: any(
                trait in one['traits'] for one in self.cloud.providers()
            ),
        )
        return {f'trait:{trait}': 'required'}

    def test_each_way_loads_what_it_names(self):
        names = [f't{uuid.uuid4().hex[:12]}' for _ in range(5)]
        image, function, key, certain, perhaps = names
        functions = [
            self.named(name=f'{image} 1.0'),
            self.named(function_name=f'{function} 1.0'),
            *(self.named(type=name) for name in (key, certain, perhaps)),
            self.named(),
        ]
        wishes = [
            {'accel:bitstream_name': f'{image} 1.0'},
            {'accel:function_name': f'{function} 1.0'},
            {'accel:type': key},
            self.offered(f'CUSTOM_ACCELERATOR_{certain.upper()}'),
            self.offered(f'CUSTOM_HW_{perhaps.upper()}'),
            {'accel:function_id': functions[-1]},
        ]
        alike = {
            f'resources:{openstack.PF}': '1',
            f'trait:{openstack.A10}': 'required',
        }
        flavor = self.cloud.profile(*({**alike, **wish} for wish in wishes))
        server = self.cloud.boot(flavor)
        shown = self.cloud.settled(server)
        self.assertEqual('ACTIVE', shown['status'], shown.get('fault'))
        arqs = self.cloud.arqs(server)
        self.assertEqual(['Bound'] * len(wishes), [a['state'] for a in arqs])
        loaded = {
            arq['device_profile_group_id']: self.cloud.function(arq)
            for arq in arqs
        }
        self.assertEqual(dict(enumerate(functions)), loaded)
        self.cloud.delete(server)
        self.assert_all_free()
