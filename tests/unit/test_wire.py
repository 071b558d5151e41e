"""What crossed RPC when a version was released must be understood for good.

``tests/samples/<version>/`` holds one message per payload. Never change a
file of a released version: add members with defaults, and new files.
"""

import dataclasses
import json
import pathlib

from oslotest import base

from cyborg_fpga import model
from cyborg_fpga.rpc import agent
from cyborg_fpga.rpc import conductor

SAMPLES = pathlib.Path(__file__).parents[1] / 'samples'

CARD = model.PciAddress.parse('0000:3b:00.0')

PROGRAM = model.Operation(
    uuid='7f3c1a52-1d1b-4f57-9a52-0d7f0f7c3c11',
    kind=model.OperationKind.PROGRAM,
    deployable_uuid='0b2f6ad0-5c3e-4d31-8a6c-1d4a3e2b7a90',
    deployable='0000:3b:00.0/port0',
    device=CARD,
    driver='intel_dfl',
    hostname='node1',
    fence=4,
    state=model.OperationState.RUNNING,
    claim_uuid='c2b7d9f4-2f0e-4f0c-8f55-5c9f7d3a1e02',
    project_id='demo',
    user_id='alice',
    image_uuid='5d0b8f0e-7f4b-4c86-9d7b-3b1c6a4e9f77',
    image_hash_algo='sha512',
    image_hash_value='ab' * 64,
    image_size=2097152,
    image_private=True,
    expected_function='d8424dc4a4a3c413f89e433683f9040b',
    progress=30,
    step='fetching',
    deadline=1795228548.5,
    seconds_left=59.5,
    lease_owner='node9:1234:c0ffee',
    lease_expires=1795228503.25,
    created_at='2026-11-21T02:14:48+00:00',
    updated_at='2026-11-21T02:14:49+00:00',
    started_at=1795228490.0,
)

WIPE = model.Operation(
    uuid='e1f0c9c8-6a55-4e58-8a8e-6a9b7b0d5f21',
    kind=model.OperationKind.WIPE,
    deployable_uuid='0b2f6ad0-5c3e-4d31-8a6c-1d4a3e2b7a90',
    deployable='0000:3b:00.0/port0',
    device=CARD,
    driver='intel_dfl',
    hostname='node1',
    fence=5,
    state=model.OperationState.FAILED,
    wipe_level=model.WipeLevel.RESET,
    cause=model.Cause.DEVICE_BUSY,
    detail='Device or resource busy',
    finished_at=1795228600.0,
)

SIGNED = dataclasses.replace(
    PROGRAM,
    image_signature={
        'img_signature': 'c2lnbmF0dXJl',
        'img_signature_hash_method': 'SHA-256',
        'img_signature_key_type': 'RSA-PSS',
        'img_signature_certificate_uuid': (
            '5f0b8f1e-3c1d-4d62-9e3f-7d1f0d8a2c11'
        ),
    },
)

STATUS = model.OperationStatus(
    uuid='7f3c1a52-1d1b-4f57-9a52-0d7f0f7c3c11',
    fence=4,
    done=True,
    progress=100,
    step='done',
    touched=True,
    function_id='f7df405cbd7acf7222f144b0b93acd18',
    cause=model.Cause.READBACK_MISMATCH,
    detail='the card shows another function',
)

REPORT = model.HostReport(
    hostname='node1',
    boot_id=1795228488,
    sequence=3,
    digest='cd' * 32,
    resource_provider_name='node1.example.com',
    devices=(
        model.DeviceReport(
            driver='intel_dfl',
            pci_address=CARD,
            vendor='intel',
            family='PAC_D5005',
            vendor_id='8086',
            product_id='0b2b',
            model='Intel FPGA PAC D5005',
            serial='0001',
            numa_node=1,
            health=model.Health.SUSPECT,
            attributes={'bitstream_id': '0x202000200000237'},
            deployables=(
                model.DeployableReport(
                    name='0000:3b:00.0/port0',
                    handles=(
                        model.PciAddress.parse('0000:3b:10.0'),
                        model.PciAddress.parse('0000:3b:10.2'),
                    ),
                    handle_kind=model.HandleKind.VF,
                    region_id='9346116da52d5ca8b06aa9a389ef7c8d',
                    function_id='d8424dc4a4a3c413f89e433683f9040b',
                    readable=False,
                    program_fixed=2.5,
                    program_rate=40e6,
                    wipe_levels=(
                        model.WipeLevel.RESET,
                        model.WipeLevel.CLEAR,
                    ),
                    fence=4,
                    busy=True,
                ),
            ),
        ),
    ),
)

#: File below ``tests/samples`` -> what it must be read back as.
WRITTEN = {
    '1.0/Operation.json': PROGRAM,
    '1.0/Operation-signed.json': SIGNED,
    '1.0/Operation-wipe.json': WIPE,
    '1.0/OperationStatus.json': STATUS,
    '1.0/HostReport.json': REPORT,
    '1.0/HostReport-cache.json': dataclasses.replace(
        REPORT,
        cache={'size_limit': 10737418240, 'bytes': 2097152, 'files': 1},
        cached=(f'sha512-{"ab" * 64}',),
    ),
}


class WireTest(base.BaseTestCase):
    def test_every_stored_message_is_still_understood(self):
        for name, expected in WRITTEN.items():
            stored = json.loads((SAMPLES / name).read_text())
            self.assertEqual(expected, type(expected).from_wire(stored), name)

    def test_every_stored_message_is_checked(self):
        stored = {
            str(path.relative_to(SAMPLES))
            for path in SAMPLES.glob('*/*.json')
            if path.parent.name[0].isdigit()
        }
        self.assertEqual(set(WRITTEN), stored)

    def test_both_servers_speak_a_stored_version(self):
        for version in (
            agent.AgentAPI.VERSION,
            conductor.ConductorAPI.VERSION,
        ):
            self.assertTrue((SAMPLES / version).is_dir(), version)

    def test_message_survives_json(self):
        for message in WRITTEN.values():
            text = json.dumps(message.to_wire())
            self.assertEqual(
                message, type(message).from_wire(json.loads(text))
            )

    def test_member_of_a_later_version_is_ignored(self):
        for message in WRITTEN.values():
            later = {**message.to_wire(), 'of_tomorrow': {'x': [1]}}
            self.assertEqual(message, type(message).from_wire(later))

    def test_member_added_later_has_a_default(self):
        """An older sender leaves out whatever its version did not have."""
        for name, message in WRITTEN.items():
            stored = json.loads((SAMPLES / name).read_text())
            for field in dataclasses.fields(message):
                if field.name not in stored:
                    self.assertFalse(
                        field.default is dataclasses.MISSING
                        and field.default_factory is dataclasses.MISSING,
                        f'{name}: {field.name}',
                    )
