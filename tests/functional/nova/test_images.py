"""Whose bitstreams a server's cards are programmed with."""

from tests.functional.nova import base


class TestImages(base.CloudTest):
    def test_own_private_one_is_loaded_though_the_conductor_dies(self):
        """The user's token was good when it was asked for."""
        image, function = self.new_function(
            persona='member', visibility='private'
        )
        flavor = self.profile(image)
        self.cloud.start_conductor(kill_at='arq_bound')
        server = self.cloud.boot(flavor)
        self.assertEqual(-9, self.cloud.conductor.exit_code(120))
        self.cloud.start_conductor()
        self.assert_has(server, function)

    def test_another_projects_private_one_is_refused(self):
        image, _ = self.new_function(persona='stranger', visibility='private')
        server = self.cloud.boot(self.profile(image))
        shown = self.assert_failed(server)
        self.assertIn('[409]', shown['fault']['message'])
        self.cloud.delete(server)
        self.assert_all_free()
