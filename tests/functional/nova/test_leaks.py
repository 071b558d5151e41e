"""What Nova forgets to give back."""

from tests.functional.nova import base


class TestLeaks(base.CloudTest):
    def test_server_that_is_deleted_while_we_are_away_keeps_no_card(self):
        """Nova asks once and goes on."""
        image, function = self.new_function()
        flavor = self.profile(image)
        other, server = self.cloud.boot(flavor), self.cloud.boot(flavor)
        self.assert_has(other, function)
        self.assert_has(server, function)
        self.cloud.stop_api()
        try:
            self.cloud.delete(server)
        finally:
            self.cloud.start_api()
        self.assert_bound(server)
        self.addCleanup(self.cloud.start_conductor)
        self.cloud.start_conductor(audit_interval=1)
        self.cloud.until('it has none', lambda: not self.cloud.arqs(server))
        self.assert_has(other, function)
        self.cloud.delete(other)
        self.assert_all_free()

    def assert_bound(self, server):
        states = [arq['state'] for arq in self.cloud.arqs(server)]
        self.assertEqual(['Bound'], states)
