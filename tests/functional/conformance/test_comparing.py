"""What the comparison finds, and what not."""

import json

from oslotest import base

from tests.functional.conformance import comparing

ONE, OTHER = (f'{n}2345678-1234-1234-1234-123456789abc' for n in range(2))


def answer(body, status=200, **headers):
    headers = {name.replace('_', '-'): text for name, text in headers.items()}
    return comparing.Answer(status, headers, json.dumps(body))


def differences(one, other, names=({}, {})):
    return comparing.differences(answer(one), answer(other), names)


class TestDifferences(base.BaseTestCase):
    def test_what_is_another_in_every_run_does_not_count(self):
        time = '2026-01-01T00:00:0{}+00:00'
        one, other = (
            {'uuid': uuid, 'at': time.format(n), 'faultstring': str(n)}
            for n, uuid in enumerate((ONE, OTHER))
        )
        self.assertEqual([], differences(one, other))

    def test_a_thing_must_be_where_the_other_has_it(self):
        names = {ONE: '$a', OTHER: '$b'}, {ONE: '$b', OTHER: '$a'}
        self.assertEqual([], differences({'x': ONE}, {'x': OTHER}, names))
        self.assertEqual(
            ["x: '$a' -> '$b'"], differences({'x': ONE}, {'x': ONE}, names)
        )

    def test_members_types_and_values_count(self):
        self.assertEqual(
            [
                'a: null -> string',
                'b: string -> absent',
                'c: absent -> number',
            ],
            differences({'a': None, 'b': ''}, {'a': '', 'c': 1}),
        )
        self.assertEqual(
            ["a: 'x' -> 'y'"], differences({'a': 'x'}, {'a': 'y'})
        )
        self.assertEqual(['a: 1 -> 2'], differences({'a': 1}, {'a': 2}))

    def test_the_first_member_counts(self):
        self.assertEqual(
            ["first member: ['a'] -> ['b']"],
            differences({'a': 1, 'b': 1}, {'b': 1, 'a': 1}),
        )

    def test_items_are_found_by_their_names(self):
        one = [{'name': 'x', 'v': 1}, {'name': 'y', 'v': 1}]
        self.assertEqual(
            ['l: in another order'],
            differences({'l': one}, {'l': one[::-1]}),
        )
        self.assertEqual(
            ['l: y -> absent', 'l: absent -> z', 'l[].v: 1 -> 2'],
            differences(
                {'l': one},
                {'l': [{'name': 'x', 'v': 2}, {'name': 'z', 'v': 1}]},
            ),
        )

    def test_json_in_a_text_is_read(self):
        self.assertEqual(
            ['error_message.(json).a: 1 -> 2'],
            differences(
                {'error_message': '{"a": 1}'}, {'error_message': '{"a": 2}'}
            ),
        )

    def test_headers_count(self):
        one = answer({}, Vary='a', Date='now')
        other = answer({}, Content_Type='application/json; charset=UTF-8')
        self.assertEqual(
            [
                'header Content-Type: None -> application/json',
                'header Vary: a -> None',
            ],
            comparing.differences(one, other, ({}, {})),
        )

    def test_another_status_is_all_that_is_told(self):
        self.assertEqual(
            ['status: 500 -> 400'],
            comparing.differences(
                answer({'a': 1}, 500), answer({}, 400), ({}, {})
            ),
        )


class TestList(base.BaseTestCase):
    FOUND = {'show': ['a: 1 -> 2'], 'list': ['a: 1 -> 2', 'b: 1 -> 2']}

    def listed(self, pattern, *requests):
        return comparing.Listed(
            pattern=pattern, requests=frozenset(requests), reason='so'
        )

    def test_what_is_not_in_the_list_is_told(self):
        listed = [self.listed('a: .*', 'show')]
        self.assertEqual(
            ['list: a: 1 -> 2', 'list: b: 1 -> 2'],
            comparing.unlisted(self.FOUND, listed),
        )
        listed = [self.listed('a: .*'), self.listed('b: 1')]
        self.assertEqual(
            ['list: b: 1 -> 2'], comparing.unlisted(self.FOUND, listed)
        )

    def test_what_is_no_more_is_told(self):
        listed = [
            self.listed('a: .*'),
            self.listed('b: .*', 'list', 'show'),
            self.listed('c: .*'),
        ]
        self.assertEqual(
            ['show: b: .*', 'c: .*'], comparing.outlived(self.FOUND, listed)
        )
