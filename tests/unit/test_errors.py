"""Error classes: their codes, sentences and their way across RPC."""

import json
import re
import string

from oslo_messaging._drivers import common as rpc_common
from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga import rpc


def every_class():
    # Not by __subclasses__(): oslo.messaging makes more of them at run time.
    return [
        item
        for item in vars(errors).values()
        if isinstance(item, type) and issubclass(item, errors.FPGAError)
    ]


def example(cls):
    """An instance with every member of the template filled in."""
    fields = [f for _, f, _, _ in string.Formatter().parse(cls.template) if f]
    return cls(**{field: f'<{field}>' for field in fields})


class TestErrors(base.BaseTestCase):
    def test_there_are_errors_to_test(self):
        self.assertGreater(len(every_class()), 15)

    def test_every_code_belongs_to_one_class(self):
        codes = [cls.code for cls in every_class()]
        self.assertEqual(sorted(set(codes)), sorted(codes))

    def test_every_code_is_a_dotted_lower_case_name(self):
        for cls in every_class():
            self.assertTrue(
                re.fullmatch(r'fpga(\.[a-z_]+)+', cls.code), cls.code
            )

    def test_every_status_is_an_error_status(self):
        for cls in every_class():
            self.assertIn(cls.http_status, range(400, 600), cls)

    def test_every_class_stands_in_the_tree_of_the_docstring(self):
        for cls in every_class():
            self.assertIn(cls.__name__, errors.__doc__.split())

    def test_a_missing_member_of_the_sentence_is_a_bug_that_shows(self):
        self.assertRaises(KeyError, errors.NotFound, kind='claim')

    def test_a_text_of_its_own_wins_over_the_template(self):
        self.assertEqual('gone', errors.NotFound('gone').message)


class TestRemote(base.BaseTestCase):
    """oslo.messaging's own pair of functions, as both drivers use them."""

    def _carry(self, error, allowed):
        try:
            raise error
        except errors.FPGAError as exc:
            failure = rpc_common.serialize_remote_exception(
                (type(exc), exc, exc.__traceback__)
            )
        # It is text on the wire.
        failure = json.loads(json.dumps(failure))
        return rpc_common.deserialize_remote_exception(failure, allowed)

    def test_every_class_survives_with_sentence_and_members(self):
        for cls in every_class():
            sent = example(cls)
            got = self._carry(sent, rpc.ALLOWED_REMOTE_EXMODS)
            self.assertIsInstance(got, cls)
            self.assertEqual(sent.message, got.message)
            self.assertEqual(sent.kwargs, got.kwargs)
            self.assertEqual(sent.code, got.code)
            self.assertEqual(sent.http_status, got.http_status)

    def test_the_message_for_users_holds_no_remote_traceback(self):
        got = self._carry(
            errors.InvalidInput(reason='no'), rpc.ALLOWED_REMOTE_EXMODS
        )
        self.assertIn('Traceback', str(got))
        self.assertNotIn('Traceback', got.message)

    def test_a_module_that_is_not_listed_does_not_come_back_as_a_class(self):
        got = self._carry(errors.InvalidInput(reason='no'), [])
        self.assertNotIsInstance(got, errors.FPGAError)
