"""Who a conductor talks to: Placement, Glance and the agents.

They say yes, remember the order in which they were asked, and refuse at the
very step that a test is about, which the real ones cannot be made to do. How
the real ones behave is held by ``tests/functional``.
"""

import oslo_messaging as messaging

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.clients import glance
from cyborg_fpga.clients import placement

AWAY = errors.ServiceUnavailable(service='Placement', reason='shut')


class Rooms:
    """Placement's client.

    :ivar asked: (method, what it was about), in order; all stand-ins of a
        test share the list.
    :ivar refuses: By method, what it raises instead.
    :ivar before: By method, called before it answers.
    :ivar tree: The providers that it was told last, by name.
    :ivar held: By consumer, what it was given.
    :ivar strangers: Consumers that are not claims.
    :ivar projects: Whose they are.
    """

    def __init__(self, asked):
        self.asked = asked
        self.refuses = {}
        self.before = {}
        self.tree = {}
        self.held = {}
        self.strangers = set()
        self.projects = {}

    def _asked(self, method, what):
        self.asked.append((method, what))
        self.before.get(method, lambda: None)()
        if method in self.refuses:
            raise self.refuses[method]

    def find_provider(self, name):
        return '11111111-1111-1111-1111-111111111111'

    def sync_tree(self, root, desired, *, prefix, ours=()):
        self._asked('sync_tree', prefix)
        self.ours = {*ours}
        self.tree = {provider.name: provider for provider in desired}
        return len(desired)

    def claim(self, consumer, allocations, *, project_id, user_id):
        self._asked('allocate', consumer)
        self.held[consumer] = allocations

    def release(self, consumer):
        self._asked('deallocate', consumer)
        self.held.pop(consumer, None)

    def providers_below(self, root, prefix):
        self._asked('look', prefix)
        return [
            provider.uuid
            for name, provider in self.tree.items()
            if name.startswith(prefix)
        ]

    def instance(self, uuid, project, **amounts):
        """Let an instance hold *amounts* of providers."""
        self.held[uuid] = amounts
        self.strangers.add(uuid)
        self.projects[uuid] = project

    def provider_allocations(self, uuid):
        self._asked('provider', uuid)
        return {
            consumer: dict(amounts[uuid])
            for consumer, amounts in self.held.items()
            if uuid in amounts
        }

    def allocations(self, consumer):
        self._asked('consumer', consumer)
        kind = 'INSTANCE' if consumer in self.strangers else 'FPGA_CLAIM'
        return placement.Allocations(
            resources=self.held.get(consumer, {}),
            project_id=self.projects.get(consumer),
            consumer_type=kind,
        )

    @property
    def reserved(self):
        return sum(provider.reserved for provider in self.tree.values())

    @property
    def traits(self):
        return frozenset().union(*(p.traits for p in self.tree.values()))


class Agents:
    """The agents of all hosts.

    :ivar taken: Operations that were sent, in order.
    :ivar known: What the agents answer, by operation.
    :ivar silent: Nobody answers.
    """

    def __init__(self, asked):
        self.asked = asked
        self.taken = []
        self.known = {}
        self.silent = False

    def run(self, ctx, operation):
        self.asked.append(('run', operation.uuid))
        self._answer()
        self.taken.append(operation)
        return self.known.setdefault(
            operation.uuid,
            model.OperationStatus(
                uuid=operation.uuid, fence=operation.fence, step='accepted'
            ),
        )

    def status(self, ctx, hostname, uuid):
        self._answer()
        return self.known.get(uuid)

    def cancel(self, ctx, hostname, uuid):
        self.asked.append(('cancel', uuid))

    def report_soon(self, ctx, hostname):
        pass

    def _answer(self):
        if self.silent:
            raise messaging.MessagingTimeout('silence')


class Images:
    """Glance's client.

    :ivar images: By id, in the order of their changes.
    :ivar askers: Tokens with which single images were asked for.
    """

    def __init__(self):
        self.images = {}
        self.askers = []

    def add(self, ident, *, owner='ops', tags=('FPGA',), **values):
        """Make or change an image; it is the last one changed."""
        self.images.pop(ident, None)
        properties = values.pop('properties', {})
        self.images[ident] = glance.Image(
            **{
                'id': ident,
                'name': 'image',
                'status': 'active',
                'visibility': 'public',
                'owner': owner,
                'tags': frozenset(tags),
                'properties': {'vendor': 'intel', **properties},
                'size': 4096,
                'checksum': None,
                'os_hash_algo': 'sha512',
                'os_hash_value': '0' * 128,
                'created_at': '2026-11-20T10:00:00Z',
                'updated_at': '2026-11-20T10:00:00Z',
                **values,
            }
        )
        return ident

    def get(self, image_uuid, ctx=None):
        self.askers.append(None if ctx is None else ctx.auth_token)
        image = self.images.get(image_uuid)
        stranger = ctx is not None and image and ctx.project_id != image.owner
        if image is None or (stranger and image.visibility == 'private'):
            raise errors.NotFound(kind='image', ident=image_uuid)
        return image

    def newest_change(self):
        return max((i.updated_at for i in self.images.values()), default=None)

    def changed_since(self, updated_at):
        return iter(
            [i for i in self.images.values() if i.updated_at >= updated_at]
        )

    def page(self, marker, limit):
        tagged = sorted(
            ident
            for ident, image in self.images.items()
            if 'FPGA' in image.tags and ident > (marker or '')
        )
        return [self.images[ident] for ident in tagged[:limit]]


class Nova:
    """Nova's client.

    :ivar told: (server, ARQ, whether it is bound), in order.
    :ivar servers: Uuids of those that there are.
    :ivar away: It takes and says nothing.
    """

    def __init__(self):
        self.told = []
        self.servers = set()
        self.away = False

    def tell_bound(self, events):
        self._answer()
        self.told += [(e.server_uuid, e.arq_uuid, e.ok) for e in events]

    def has_server(self, uuid):
        self._answer()
        return uuid in self.servers

    def _answer(self):
        if self.away:
            raise errors.ServiceUnavailable(service='Nova', reason='away')
