"""The tutorial as a program: every step says what it does and checks it.

It talks to the service as people do: REST, Glance and Placement over HTTP,
and a few ``openstack fpga`` commands. As the guest it uses the simulator's
control socket.
"""

import pathlib
import time
from collections.abc import Mapping

from cyborg_fpga.cmd import demo_http
from cyborg_fpga.cmd import demo_stage
from cyborg_fpga.simulator import samples

REGION = '69528db6eb31577a8c3668f9faa081f6'
OTHER_REGION = 'a5d72a3cc8b04939912cf715e5dc10ca'
CRYPTO = 'd8424dc4a4a3c413f89e433683f9040b'
CHANGED = 'f7df405cbd7acf7222f144b0b93acd18'
PF = 'CUSTOM_FPGA_INTEL_PF'
VF = 'CUSTOM_FPGA_INTEL_VF'


def run(
    folder: pathlib.Path, endpoints: Mapping[str, str], hostname: str
) -> int:
    """Run all steps; 0, or 1 when one does not hold."""
    started = time.monotonic()
    demo = Demo(folder, endpoints, hostname)
    try:
        demo.upload()
        demo.look()
        demo.placement()
        demo.claim_by_type()
        demo.claim_two()
        demo.claim_raw()
        demo.refusals()
        demo.develop()
        demo.administer()
        demo.give_back()
    except (demo_stage.Failed, demo_http.Refused, OSError) as exc:
        print(f'demo: FAILED at step {demo.steps}: {exc}', flush=True)
        return 1
    seconds = time.monotonic() - started
    print(f'demo: OK ({demo.steps} steps, {seconds:.1f} s)', flush=True)
    return 0


class Demo(demo_stage.Stage):
    """The story: what it made so far is kept for the later steps."""

    def __init__(
        self,
        folder: pathlib.Path,
        endpoints: Mapping[str, str],
        hostname: str,
    ) -> None:
        super().__init__(folder, endpoints, hostname)
        self._image: dict[str, str] = {}
        self._held: list[str] = []

    def upload(self) -> None:
        with self._step('upload two bitstreams to Glance, tagged FPGA'):
            for name, region in (
                ('crypto', REGION),
                ('crypto-other-card', OTHER_REGION),
            ):
                data = samples.sample_gbs(region, CRYPTO, size=4_000_000)
                self._image[name] = self._images.upload(
                    name, data, {'vendor': 'intel', 'type': 'crypto'}
                )
                self._say(f'{name}: image {self._image[name]}')
        with self._step('they are in the catalogue'):
            self._until(
                'both images are in the catalogue',
                lambda: all(
                    self._alice.has(f'/bitstreams/{uuid}')
                    for uuid in self._image.values()
                ),
            )
            self._cli('allinone-member', 'bitstream', 'list')

    def look(self) -> None:
        with self._step('the cards, as discovered from sysfs'):
            self._cli('allinone', 'device', 'list')
            regions = self._regions()
            for region in regions:
                addresses = ', '.join(
                    f'{h["kind"]} {h["pci_address"]}'
                    for h in region['handles']
                )
                self._say(f'deployable {region["name"]}: {addresses}')
            kinds = {h['kind'] for r in regions for h in r['handles']}
            self._check(kinds == {'PF', 'VF'}, f'handles are {kinds}')

    def placement(self) -> None:
        with self._step('inventories in Placement'):
            found = self._room.inventories(self._host)
            for provider in found:
                self._say(
                    f'{provider["name"]}: {provider["resource_class"]} '
                    f'total {provider["total"]}, max_unit '
                    f'{provider["max_unit"]}, reserved '
                    f'{provider["reserved"]}'
                )
            totals = {p['resource_class']: p['total'] for p in found}
            self._check(totals.get(PF) == 2, f'{PF}: {totals.get(PF)}')
            self._check(bool(totals.get(VF)), f'no inventory of {VF}')
        with self._step('traits in Placement'):
            wanted = {
                'CUSTOM_FPGA',
                'CUSTOM_HW_INTEL',
                'CUSTOM_HW_CRYPTO',
                'CUSTOM_ACCELERATOR_CRYPTO',
            }
            self._until(
                f'the pool has the traits {sorted(wanted)}',
                lambda: wanted <= self._traits(PF),
            )
            self._say(' '.join(sorted(self._traits(PF))))

    def claim_by_type(self) -> None:
        with self._step(f'alice claims a crypto accelerator on {self._host}'):
            self._cli(
                'allinone-member', 'claim', 'create', '--host', self._host,
                '--type', 'crypto', '--wait',
            )  # fmt: skip
            claim = self._alice.get('/claims')['claims'][0]
            self._check_programmed(claim, self._image['crypto'], CRYPTO)
        with self._step('Placement shows the allocation and the function'):
            allocated = self._room.allocated(claim['uuid'])
            self._check(
                allocated == {PF: 1}, 'the allocation is not one of the pool'
            )
            for name, amount in allocated.items():
                self._say(f'the claim holds {amount} {name}')
            loaded = f'CUSTOM_FPGA_FUNCTION_ID_INTEL_{CRYPTO.upper()}'
            self._until(
                'the function is a trait of the pool',
                lambda: loaded in self._traits(PF),
            )
            self._say(f'the pool has the trait {loaded}')
        with self._step('her guest leaves a secret on the card; released'):
            address = claim['addresses'][0]
            self._cards.write_memory(address, 0, demo_stage.SECRET)
            self._release(claim['uuid'])
            self._check(
                self._memory(address) == bytes(len(demo_stage.SECRET)),
                f'the secret is still on {address}',
            )
            self._check(
                self._afu(address) == CRYPTO, 'the function is not warm'
            )

    def claim_two(self) -> None:
        with self._step(f'two {PF} of one pool, with crypto'):
            claim = self._claim(resource_class=PF, type='crypto', count=2)
            self._say(f'addresses {", ".join(claim["addresses"])}')
            self._check(len(set(claim['addresses'])) == 2, 'not two addresses')
            self._check(
                self._room.allocated(claim['uuid']) == {PF: 2},
                'the allocation is not two of one provider',
            )
            self._check(
                len(claim['operation_uuids']) == 1,
                'the warm card was programmed again',
            )
            for address in claim['addresses']:
                self._cards.write_memory(address, 0, demo_stage.SECRET)
            self._release(claim['uuid'])

    def claim_raw(self) -> None:
        with self._step('mallory claims without a type or image'):
            claim = self._mallory.post(
                '/claims', {'nodename': self._host, 'resource_class': PF}
            )
            address = claim['addresses'][0]
            self._check(claim['state'] == 'ready', f'it is {claim["state"]}')
            self._check(
                not claim['operation_uuids'], 'something was programmed'
            )
            self._check(
                self._memory(address) == bytes(len(demo_stage.SECRET)),
                "she finds alice's secret",
            )
            self._say(f'{address}: nothing programmed, nothing found')
            self._release(claim['uuid'], self._mallory)

    def refusals(self) -> None:
        before = self._room.usages(self._host)
        with self._step('an image for another card is refused'):
            self._refused(
                400, self._alice, '/claims',
                {'image_uuid': self._image['crypto-other-card']},
            )  # fmt: skip
        with self._step('more than there is is refused'):
            self._refused(
                409, self._alice, '/claims',
                {'resource_class': PF, 'count': 3},
            )  # fmt: skip
            self._check(
                self._room.usages(self._host) == before
                and not self._alice.get('/claims')['claims'],
                'something is left of it',
            )

    def develop(self) -> None:
        with self._step('alice claims a card to develop on'):
            claim = self._claim(resource_class=PF)
            self._held.append(claim['uuid'])
        with self._step('and programs her changed, private bitstream'):
            data = samples.sample_gbs(REGION, CHANGED, size=20_000_000)
            self._image['changed'] = self._own_images.upload(
                'crypto-changed', data, {'vendor': 'intel'}, 'private'
            )
            started = self._alice.post(
                f'/claims/{claim["uuid"]}/program',
                {'image_uuid': self._image['changed']},
            )
            self._finished(f'/operations/{started["uuid"]}', self._alice)
            claim = self._alice.get(f'/claims/{claim["uuid"]}')
            self._check_programmed(claim, None, CHANGED)
            self._cards.write_memory(
                claim['addresses'][0], 0, demo_stage.SECRET
            )
        with self._step("mallory cannot program alice's card"):
            self._refused(
                404, self._mallory, f'/claims/{claim["uuid"]}/program',
                {'image_uuid': self._image['crypto']},
            )  # fmt: skip
            self._refused(
                404, self._mallory, '/claims',
                {'image_uuid': self._image['changed']},
            )  # fmt: skip
            self._until(
                'no trait speaks of the private function',
                lambda: (
                    f'CUSTOM_FPGA_FUNCTION_ID_INTEL_{CHANGED.upper()}'
                    not in self._traits(PF)
                ),
            )

    def administer(self) -> None:
        with self._step('an administrator programs a free deployable'):
            held = self._alice.get('/claims')['claims'][0]
            free = next(
                r
                for r in self._regions()
                if r['region_id'] == REGION
                and r['uuid'] not in held['deployable_uuids']
            )
            operation = self._admin.program(
                free['uuid'], self._image['crypto']
            )
            self._finished(operation, self._admin)
        with self._step('but not one that is claimed'):
            try:
                self._admin.program(
                    held['deployable_uuids'][0], self._image['crypto']
                )
            except demo_http.Refused as exc:
                self._check(exc.status == 409, str(exc))
                self._say(f'409: {exc.reason}')
            else:
                raise demo_stage.Failed('it was programmed')

    def give_back(self) -> None:
        with self._step('everything is released'):
            for uuid in self._held:
                address = self._alice.get(f'/claims/{uuid}')['addresses'][0]
                self._cli(
                    'allinone-member', 'claim', 'release', uuid, '--wait'
                )
                self._check(
                    self._memory(address) == bytes(len(demo_stage.SECRET)),
                    f'the secret is still on {address}',
                )
                self._check(
                    self._afu(address) != CHANGED,
                    "alice's own function is still there",
                )
        with self._step('nothing is left'):
            self._check(
                not self._admin.get('/claims')['claims'], 'a claim is left'
            )
            self._until(
                'usage is 0',
                lambda: not any(self._room.usages(self._host).values()),
            )
            regions = self._regions()
            self._check(
                not any(h['claim_uuid'] for r in regions
                        for h in r['handles']),
                'a handle is not free',
            )  # fmt: skip
            warm = [r for r in regions if r['function_id'] == CRYPTO]
            self._check(len(warm) == 1, f'{len(warm)} cards are warm')
            self._say('usage 0, handles free, one card still holds crypto')
