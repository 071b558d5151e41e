"""A server with cards, from its flavor to its end, with a real Nova."""

from tests.functional.nova import base


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

    def _used(self):
        return sum(
            sum(one['usages'].values()) for one in self.cloud.providers()
        )
