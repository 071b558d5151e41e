"""What one host loaded is brought to others before anybody asks there."""

from cyborg_fpga.rpc import conductor
from tests.fixtures import inprocess
from tests.functional.service import base


class TestPrefetch(base.ServiceTest):
    def test_what_was_loaded_is_told_to_agents_and_shown_of_caches(self):
        image = self.service.known_image()
        claim = self.service.claim(image_uuid=image)
        conducting = conductor.ConductorAPI(self.service.transport, timeout=60)
        told = conducting.popular(
            inprocess.CTX, self.service.hostname, count=100
        )
        self.assertIn(image, [one['uuid'] for one in told])
        self.assertEqual({'uuid', 'algo', 'value', 'size'}, set(told[0]))
        path = f'/hosts/{self.service.hostname}'
        self.service.until(
            'the host shows what its cache holds',
            lambda: self.service.get(path)['cache']['files'],
        )
        cache = self.service.get(path)['cache']
        self.assertEqual(1, cache['misses'], claim)
