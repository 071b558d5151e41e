"""Who may do what: one table of every route and every kind of caller.

For a new route add a row to ``TABLE``, what it needs to be asked to
``REQUESTS``, and where its URL has an ident the way to one to
``TestTable.subject``.
"""

import dataclasses
import re

from oslo_utils.fixture import uuidsentinel as uuids

from cyborg_fpga import context
from cyborg_fpga import model
from cyborg_fpga.api import handler
from cyborg_fpga.api import routes
from cyborg_fpga.db import bitstreams
from cyborg_fpga.db import claims
from cyborg_fpga.db import deployables
from cyborg_fpga.db import engine
from cyborg_fpga.db import models
from cyborg_fpga.simulator import samples
from tests.fixtures import api as fixture
from tests.functional.keystone import base

#: Personas of the fixture; what is there is of the project that the first
#: four are in. ``nobody`` has no token, ``visitor`` no role that is known,
#: ``stranger`` is a manager elsewhere, ``system`` an administrator whose
#: token is the system's.
COLUMNS = (
    'nobody', 'visitor', 'reader', 'member', 'manager', 'admin', 'service',
    'stranger', 'system',
)  # fmt: skip

#: Route: an answer for each column.
#:
#: =====  ===========================================================
#: ``+``  yes, and a list has what is there
#: ``0``  yes, but a list has nothing of it
#: ``t``  no (403) without a service token, yes with one (``t?``: 404)
#: ``-``  no (403)
#: ``x``  not with what others have (409)
#: ``g``  yes, and Glance is asked, which is not here (503)
#: ``?``  as if it were not there (404)
#: ``!``  who are you (401)
#: =====  ===========================================================
TABLE = {
    'GET /':                                        '+ + + + + + + + +',
    'GET /v2':                                      '+ + + + + + + + +',
    'GET /v2/accelerator_requests':                 '! - + + + + - 0 -',
    'POST /v2/accelerator_requests':                '! - - + + + + + -',
    'PATCH /v2/accelerator_requests':               '! - - t t t t? t? -',
    'DELETE /v2/accelerator_requests':              '! - - t t t t t -',
    'GET /v2/accelerator_requests/{uuid}':          '! - + + + + - ? -',
    'PATCH /v2/accelerator_requests/{uuid}':        '! - - t t t t? t? -',
    'DELETE /v2/accelerator_requests/{uuid}':       '! - - + + + ? ? -',
    'GET /v2/attributes':                           '! - - - + + - + -',
    'POST /v2/attributes':                          '! - - - - + - - -',
    'GET /v2/attributes/{uuid}':                    '! - - - + + - + -',
    'DELETE /v2/attributes/{uuid}':                 '! - - - - + - - -',
    'GET /v2/bitstreams':                           '! - + + + + - 0 -',
    'POST /v2/bitstreams':                          '! - - g g g - g -',
    'GET /v2/bitstreams/{uuid}':                    '! - + + + + - ? -',
    'PATCH /v2/bitstreams/{uuid}':                  '! - - g g g - ? -',
    'DELETE /v2/bitstreams/{uuid}':                 '! - - g g g - ? -',
    'POST /v2/bitstreams/{uuid}/verify':            '! - - g g g - ? -',
    'GET /v2/claims':                               '! - + + + + - 0 -',
    'POST /v2/claims':                              '! - - + + + - + -',
    'GET /v2/claims/{uuid}':                        '! - + + + + - ? -',
    'DELETE /v2/claims/{uuid}':                     '! - - + + + - ? -',
    'POST /v2/claims/{uuid}/program':               '! - - + + + - ? -',
    'PATCH /v2/claims/{uuid}/program':              '! - - + + + - ? -',
    'GET /v2/deployables':                          '! - - - + + - + -',
    'GET /v2/deployables/{uuid}':                   '! - - - + + - + -',
    'PATCH /v2/deployables/{uuid}/program':         '! - - - - + - - -',
    'PATCH /v2/deployables/{uuid}/program/{again}': '! - - - - + - - -',
    'POST /v2/deployables/{uuid}/run':              '! - - + + x - x -',
    'GET /v2/device_profiles':                      '! - + + + + - + -',
    'POST /v2/device_profiles':                     '! - - - - + - - -',
    'DELETE /v2/device_profiles':                   '! - - - - + - - -',
    'GET /v2/device_profiles/{ident}':              '! - + + + + - + -',
    'DELETE /v2/device_profiles/{ident}':           '! - - - - + - - -',
    'GET /v2/devices':                              '! - - - + + - + -',
    'GET /v2/devices/{uuid}':                       '! - - - + + - + -',
    'POST /v2/devices/{uuid}/disable':              '! - - - - + - - -',
    'POST /v2/devices/{uuid}/enable':               '! - - - - + - - -',
    'GET /v2/hosts':                                '! - - - - + - - -',
    'GET /v2/hosts/{name}':                         '! - - - - + - - -',
    'PATCH /v2/hosts/{name}':                       '! - - - - + - - -',
    'POST /v2/hosts/{name}/disable':                '! - - - - + - - -',
    'POST /v2/hosts/{name}/enable':                 '! - - - - + - - -',
    'GET /v2/operations':                           '! - + + + + - 0 -',
    'GET /v2/operations/{uuid}':                    '! - + + + + - ? -',
    'POST /v2/operations/{uuid}/cancel':            '! - - - - + - ? -',
    'GET /v2/types':                                '! - + + + + - + -',
}  # fmt: skip

_PROFILE = {'name': 'p', 'groups': [{'resources:FPGA': '1'}]}
_ATTRIBUTE = {'deployable_id': 1, 'key': 'k', 'value': 'v'}
_IMAGE = {'image_uuid': uuids.public}


def _program(_ident):
    patch = {'path': '/program', 'op': 'replace', 'value': [_IMAGE]}
    return {'json': [patch]}


def _bind(arq):
    values = {
        'hostname': fixture.HOST,
        'device_rp_uuid': uuids.provider,
        'instance_uuid': uuids.instance,
    }
    patch = [
        {'path': f'/{name}', 'op': 'add', 'value': value}
        for name, value in values.items()
    ]
    return {'json': {arq: patch}}


#: What is sent to which ident, where there is anything to send.
REQUESTS = {
    'POST /v2/accelerator_requests': lambda _: {
        'json': {'device_profile_name': 'p'}
    },
    'PATCH /v2/accelerator_requests': _bind,
    'PATCH /v2/accelerator_requests/{uuid}': _bind,
    'DELETE /v2/accelerator_requests': lambda _: {
        'params': {'instance': uuids.instance}
    },
    'POST /v2/attributes': lambda _: {'json': _ATTRIBUTE},
    'POST /v2/bitstreams': lambda _: {
        'data': samples.sample_gbs('1' * 32, '2' * 32),
        'headers': {'Content-Type': 'application/octet-stream'},
    },
    'PATCH /v2/bitstreams/{uuid}': lambda _: {'json': {'name': 'aes'}},
    'POST /v2/claims': lambda _: {'json': {}},
    'POST /v2/claims/{uuid}/program': lambda _: {'json': _IMAGE},
    'PATCH /v2/claims/{uuid}/program': lambda _: {'json': _IMAGE},
    'PATCH /v2/deployables/{uuid}/program': _program,
    'PATCH /v2/deployables/{uuid}/program/{again}': _program,
    'POST /v2/device_profiles': lambda _: {
        'json': [{**_PROFILE, 'name': 'new'}]
    },
    'DELETE /v2/device_profiles': lambda _: {'params': {'value': 'p'}},
    'PATCH /v2/hosts/{name}': lambda _: {'json': {'status': 'disabled'}},
}


class TestTable(base.ServedTest):
    def test_it_has_every_route_and_no_other(self):
        table = routes.table(handler.Services(None, None, None))
        served = {
            f'{method} {url}'
            for url, methods in table.items()
            for method in methods
        }
        self.assertEqual(served, set(TABLE))
        self.assertEqual(set(), set(REQUESTS) - set(TABLE))

    def test_it_is_true(self):
        wrong = []
        for route, row in TABLE.items():
            # What another route has made may be in the way.
            self.start_anew()
            cells = dict(zip(COLUMNS, row.split(), strict=True))
            for persona, wanted in cells.items():
                found = self.answer(route, persona)
                if found != wanted:
                    wrong.append(f'{route} by {persona}: {found}')
        self.assertEqual([], wrong)

    def answer(self, route, persona):
        """The cell of the table that is true."""
        found = self.once(route, persona)
        if found == 't':
            found += self.once(route, persona, service='nova').strip('+')
        return found

    def once(self, route, persona, **how):
        method, url = route.split(' ')
        kind = url.removeprefix('/v2').strip('/').partition('/')[0]
        ident = self.subject('claimed' if url.endswith('/run') else kind)
        answer = self.ask(
            method,
            re.sub(r'{\w+}', ident, url),
            None if persona == 'nobody' else persona,
            **how,
            **REQUESTS.get(route, lambda _: {})(ident),
        )
        if method != 'GET' and answer.ok:
            self.start_anew()
        if answer.ok:
            return '+' if method != 'GET' or ident in answer.text else '0'
        if 'requires a service token' in answer.text:
            return 't'
        letters = {401: '!', 403: '-', 404: '?', 409: 'x', 503: 'g'}
        return letters.get(answer.status_code, answer.text)

    def setUp(self):
        super().setUp()
        self.subjects = {}
        self.owner = context.RequestContext(
            project_id=self.keystone.project('member'),
            user_id='member',
            overwrite=False,
        )

    def start_anew(self):
        """Make everything as it was."""
        with engine.get_engine().begin() as connection:
            for table in reversed(models.Base.metadata.sorted_tables):
                connection.execute(table.delete())
        fixture.store_records()
        self.subjects.clear()

    def subject(self, kind):
        """What stands for itself in a URL and in lists; made when needed."""
        if kind not in self.subjects:
            make = getattr(self, f'_{kind}', lambda: '')
            self.subjects[kind] = make()
        return self.subjects[kind]

    def _accelerator_requests(self):
        self.subject('device_profiles')
        (arq,) = self._made(
            '/v2/accelerator_requests', 'member', {'device_profile_name': 'p'}
        )['arqs']
        return arq['uuid']

    def _attributes(self):
        return self._made('/v2/attributes', 'admin', _ATTRIBUTE)['uuid']

    def _bitstreams(self):
        """A private one."""
        known = bitstreams.get(fixture.CTX, uuids.private)
        mine = dataclasses.replace(
            known, uuid=uuids.mine, owner=self.owner.project_id
        )
        bitstreams.upsert(fixture.CTX, [mine])
        return uuids.mine

    def _claims(self):
        fixture.reserve(self.owner, uuids.claim, 1, model.ClaimState.READY)
        return uuids.claim

    def _claimed(self):
        """A deployable."""
        self.subject('claims')
        (found,) = claims.get(fixture.CTX, uuids.claim).deployable_uuids
        return found

    def _deployables(self):
        (first, _) = deployables.of_host(fixture.CTX, fixture.HOST)
        return first.uuid

    def _device_profiles(self):
        made = self._made('/v2/device_profiles', 'admin', [_PROFILE])
        return made['uuid']

    def _devices(self):
        return self.ask('GET', '/v2/devices', 'admin').json()['devices'][0][
            'uuid'
        ]

    def _hosts(self):
        return fixture.HOST

    def _operations(self):
        return fixture.start_program(
            self.owner, self.subject('deployables'), uuids.public
        ).uuid

    def _made(self, path, persona, body):
        answer = self.ask('POST', path, persona, json=body)
        self.assertEqual(201, answer.status_code, answer.text)
        return answer.json()
