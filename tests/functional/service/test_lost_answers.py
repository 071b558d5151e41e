"""Answers that are lost on their way to the agent."""

from unittest import mock

import oslo_messaging as messaging

from cyborg_fpga.rpc import conductor
from tests.fixtures import inprocess
from tests.functional.service import base


class TestLostAnswers(base.ServiceTest):
    def test_lost_leave_is_asked_for_again_and_the_card_is_loaded_once(self):
        image = self.service.image()
        begin, asked = conductor.ConductorAPI.begin, []

        def deaf(client, *args, **kwargs):
            begin(client, *args, **kwargs)
            asked.append(args)
            if len(asked) == 1:
                raise messaging.MessagingTimeout('nothing came back')

        with mock.patch.object(
            conductor.ConductorAPI, 'begin', autospec=True, side_effect=deaf
        ):
            before = sum(map(self.service.loads, inprocess.CARDS))
            claim = self.service.claim(image_uuid=image)
        self.assertEqual(2, len(asked))
        after = sum(map(self.service.loads, inprocess.CARDS))
        self.assertEqual(1, after - before)
        self.service.released(claim['uuid'])
        self.assert_nothing_left()
