"""What goes wrong with cards, and what becomes of the servers."""

import concurrent.futures

from tests.functional.nova import base

#: No more in a row than a host has cards: none is used twice before all
#: have failed.
_BOOTS = (13, 12)
_CLIENTS = 5


class TestFailedProgramming(base.CloudTest):
    """However late: no server is ACTIVE, nothing is left."""

    def _boot_with_cards_that_fail_after(self, seconds):
        image, _ = self.new_function()
        flavor = self.profile(image)
        with concurrent.futures.ThreadPoolExecutor(_CLIENTS) as pool:
            for boots in _BOOTS:
                # Once each: the wipe may be a load, too.
                self.cloud.fault('slow', seconds=seconds, times=1)
                percent = 100 if seconds else 0
                self.cloud.fault('fail', percent=percent, times=1)
                servers = list(pool.map(self.cloud.boot, [flavor] * boots))
                for server in servers:
                    self.assert_failed(server)
                self.cloud.clear()
                self.cloud.delete(*servers)
                self.assert_all_free()
        # Each came so far that its card was programmed.
        ends = [one['state'] for one in self.operations(image)]
        self.assertEqual({'failed'}, set(ends))
        self.assertLessEqual(sum(_BOOTS), len(ends))

    def test_at_once(self):
        self._boot_with_cards_that_fail_after(0)

    def test_after_half_a_second(self):
        self._boot_with_cards_that_fail_after(0.5)

    def test_after_2_seconds(self):
        self._boot_with_cards_that_fail_after(2)

    def test_after_10_seconds(self):
        self._boot_with_cards_that_fail_after(10)


class TestSlowProgramming(base.CloudTest):
    def test_server_waits_until_nova_is_told(self):
        image, function = self.new_function()
        flavor = self.profile(image)
        # Longer than Nova needs until it looks whether all are resolved.
        self.cloud.fault('slow', seconds=10, times=1)
        server = self.cloud.boot(flavor)
        self.cloud.until(
            f'{server} waits for its card',
            lambda: (
                [arq['state'] for arq in self.cloud.arqs(server)]
                == ['BindStarted']
            ),
        )
        self.assert_has(server, function)
        (one,) = self.operations(image)
        self.assertEqual('succeeded', one['state'])


class TestConductorKills(base.CloudTest):
    """A server does not wait for a conductor that is dead."""

    def setUp(self):
        super().setUp()
        self.image, self.function = self.new_function()
        self.flavor = self.profile(self.image)

    def _boot_while_the_conductor_dies_at(self, point):
        self.cloud.start_conductor(kill_at=point)
        server = self.cloud.boot(self.flavor)
        self.assertEqual(-9, self.cloud.conductor.exit_code(120))
        self.cloud.start_conductor()
        return server

    def test_before_the_card_is_programmed(self):
        server = self._boot_while_the_conductor_dies_at('arq_bound')
        self.assert_has(server, self.function)

    def test_before_nova_is_told(self):
        server = self._boot_while_the_conductor_dies_at('event_taken')
        self.assert_has(server, self.function)

    def test_once_nova_is_told(self):
        server = self._boot_while_the_conductor_dies_at('event_sent')
        self.assert_has(server, self.function)

    def test_while_the_server_is_deleted(self):
        server = self.cloud.boot(self.flavor)
        self.assert_has(server, self.function)
        self.cloud.start_conductor(kill_at='arq_released')
        self.cloud.delete(server)
        self.assertEqual(-9, self.cloud.conductor.exit_code(120))
        self.cloud.start_conductor()
        self.assert_all_free()
