"""The layers of the package, as doc/source/contributor/architecture says.

Everything here reads the sources; nothing is imported. A broken rule names
the file, the line and the import.
"""

import ast
import configparser
import functools
import graphlib
import pathlib
import sys
from collections.abc import Iterator
from typing import NamedTuple

from oslotest import base

ROOT = pathlib.Path(__file__).parents[2]
PACKAGE = 'cyborg_fpga'

BASE = {'context', 'errors', 'model', 'nouns'}

#: Layer -> what of ours it may import, itself apart. Lowest first.
MAY_IMPORT: dict[str, set[str]] = {
    'model': set(),
    'errors': set(),
    'conf': set(),
    'policies': set(),
    'killpoints': set(),
    'osc': set(),
    'nouns': {'model'},
    'profiles': {'errors'},
    'context': {'errors', 'policies'},
    'policy': {'context', 'errors', 'policies'},
    'bitstream': {'errors', 'model'},
    'db': {'context', 'errors', 'model', 'nouns'},
    'takeover': {'context', 'db', 'errors', 'model', 'profiles'},
    'clients': {'context', 'errors', 'model'},
    'drivers': {'bitstream', 'errors', 'model'},
    'rpc': {'context', 'errors', 'model'},
    'agent': BASE | {'bitstream', 'clients', 'drivers', 'killpoints', 'rpc'},
    'conductor': BASE
    | {'bitstream', 'clients', 'db', 'killpoints', 'profiles', 'rpc'},
    'api': BASE
    | {
        'bitstream',
        'clients.certificates',
        'clients.glance',
        'clients.glance_upload',
        'db',
        'policies',
        'policy',
        'profiles',
        'rpc',
    },
}

#: Where the parts are put together: these may import whatever they need.
ASSEMBLY = {'cmd', 'simulator', 'wsgi'}

#: Layer -> foreign packages it must not import.
FOREIGN: dict[str, set[str]] = {
    'model': {'keystoneauth1', 'oslo_messaging', 'requests', 'sqlalchemy'},
    'errors': {'keystoneauth1', 'oslo_messaging', 'requests', 'sqlalchemy'},
    'bitstream': {'keystoneauth1', 'oslo_messaging', 'requests', 'socket'},
    'db': {'keystoneauth1', 'openstack', 'oslo_messaging', 'requests'},
    'clients': {'sqlalchemy'},
    'drivers': {'oslo_config', 'oslo_messaging', 'sqlalchemy'},
    'agent': {'sqlalchemy'},
}

#: All that the CLI plugin may pull into a client.
OSC_MAY_IMPORT = {'cliff', 'keystoneauth1', 'openstack', 'osc_lib'}

MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 40


class Import(NamedTuple):
    """One imported module, as a dotted name."""

    file: str
    line: int
    module: str
    in_function: bool

    def __str__(self) -> str:
        return f'{self.file}:{self.line} imports {self.module}'


def sources(root: pathlib.Path) -> list[pathlib.Path]:
    return sorted((root / PACKAGE).rglob('*.py'))


def dotted(root: pathlib.Path, path: pathlib.Path) -> str:
    parts = path.relative_to(root).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


def layer(module: str) -> str:
    """``db`` of ``cyborg_fpga.db.claims``; '' of the package itself."""
    return [*module.split('.'), ''][1]


@functools.cache
def imports(root: pathlib.Path, path: pathlib.Path) -> tuple[Import, ...]:
    """Every import of a file; ``from p import m`` gives ``p.m`` if ours."""
    known = _modules_of(root)
    name = str(path.relative_to(root))

    def walk(node: ast.AST, inside: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            for module in _modules(child, known):
                yield Import(name, child.lineno, module, inside)
            deeper = isinstance(child, (ast.FunctionDef, ast.Lambda))
            yield from walk(child, inside or deeper)

    return tuple(walk(ast.parse(path.read_text()), False))


@functools.cache
def _modules_of(root: pathlib.Path) -> frozenset[str]:
    return frozenset(dotted(root, path) for path in sources(root))


def _modules(node: ast.AST, known: frozenset[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        if node.level:
            yield '.' * node.level + (node.module or '')
            return
        for alias in node.names:
            full = f'{node.module}.{alias.name}'
            yield full if full in known else str(node.module)


def all_imports(root: pathlib.Path) -> list[Import]:
    return [found for p in sources(root) for found in imports(root, p)]


def allowed(importer: str, imported: str) -> bool:
    """Whether the table lets a module import another one of ours."""
    own, other = layer(importer), layer(imported)
    if own == other or own in ASSEMBLY:
        return True
    inside = imported.removeprefix(f'{PACKAGE}.')
    return any(
        inside == name or inside.startswith(f'{name}.')
        for name in MAY_IMPORT.get(own, set())
    )


def broken_layers(root: pathlib.Path) -> list[str]:
    broken = []
    for path in sources(root):
        module = dotted(root, path)
        for found in imports(root, path):
            ours = found.module.split('.')[0] == PACKAGE
            if ours and not allowed(module, found.module):
                broken.append(f'{found}: {layer(module)} may not')
    return broken


def own_graph(root: pathlib.Path) -> dict[str, set[str]]:
    graph = {}
    for path in sources(root):
        module = dotted(root, path)
        graph[module] = {
            found.module
            for found in imports(root, path)
            if found.module.startswith(f'{PACKAGE}.')
        } - {module}
    return graph


def long_functions(root: pathlib.Path) -> list[str]:
    found = []
    for path in sources(root):
        if 'migrations' in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                lines = _body_lines(node)
                if lines > MAX_FUNCTION_LINES:
                    found.append(f'{path}: {node.name} has {lines} lines')
    return found


def _body_lines(node: ast.FunctionDef) -> int:
    """Lines after the signature and the docstring."""
    skip = 1 if ast.get_docstring(node) is not None else 0
    body = node.body[skip:]
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


class TestLayers(base.BaseTestCase):
    def test_every_layer_imports_only_what_it_may(self):
        self.assertEqual([], broken_layers(ROOT))

    def test_every_module_belongs_to_a_layer(self):
        layers = {layer(dotted(ROOT, path)) for path in sources(ROOT)}
        self.assertEqual(set(), layers - set(MAY_IMPORT) - ASSEMBLY - {''})

    def test_the_table_has_no_cycle(self):
        table = {
            k: {n.split('.')[0] for n in v} for k, v in MAY_IMPORT.items()
        }
        self.assertEqual(
            set(MAY_IMPORT),
            set(graphlib.TopologicalSorter(table).static_order()),
        )

    def test_no_two_modules_import_each_other_however_indirectly(self):
        # Raises CycleError, which names the modules.
        tuple(graphlib.TopologicalSorter(own_graph(ROOT)).static_order())

    def test_names_are_not_imported_from_our_modules_only_modules(self):
        wrong = [
            str(found)
            for found in all_imports(ROOT)
            if found.module == PACKAGE or found.module.startswith('.')
        ]
        self.assertEqual([], wrong)

    def test_the_simulator_knows_drivers_only_in_its_accessor(self):
        # The simulated card has constants of its own: with the driver's it
        # would agree with every mistake made there.
        wrong = [
            str(found)
            for found in all_imports(ROOT)
            if found.file.startswith(f'{PACKAGE}/simulator/')
            and layer(found.module) == 'drivers'
            and found.module.startswith(PACKAGE)
            and not found.file.endswith('/accessor.py')
        ]
        self.assertEqual([], wrong)

    def test_the_simulated_cards_read_images_with_nothing_of_the_service(self):
        # A reader that both shared would pass what both take for right.
        writers = {
            # Makes files as a build does; what reads them is elsewhere.
            f'{PACKAGE}/simulator/samples.py',
            # Puts the shipped bitstreams into their containers.
            f'{PACKAGE}/simulator/functions/__init__.py',
        }
        found = {
            found.file
            for found in all_imports(ROOT)
            if found.file.startswith(f'{PACKAGE}/simulator/')
            and layer(found.module) == 'bitstream'
            and found.module.startswith(PACKAGE)
        }
        self.assertEqual(writers, found)

    def test_what_writes_files_for_cards_is_not_what_reads_them(self):
        readers = ('payload', 'virtual', 'ice40', 'xrt', 'aws', 'zynq')
        graph = own_graph(ROOT)
        for name in readers:
            imported = graph[f'{PACKAGE}.simulator.{name}']
            self.assertNotIn(f'{PACKAGE}.simulator.samples', imported, name)

    def test_drivers_do_not_import_each_other(self):
        entry_points = configparser.ConfigParser()
        entry_points.read(ROOT / 'setup.cfg')
        listed = entry_points['entry_points']['cyborg_fpga.drivers']
        drivers = {
            line.split('=')[1].split(':')[0].strip()
            for line in listed.strip().splitlines()
        }
        wrong = [
            str(found)
            for found in all_imports(ROOT)
            if found.module in drivers
            and found.file.startswith(f'{PACKAGE}/drivers/')
        ]
        self.assertEqual([], wrong)


class TestForeign(base.BaseTestCase):
    def test_nobody_imports_eventlet(self):
        wrong = [
            str(found)
            for found in all_imports(ROOT)
            if found.module.split('.')[0] in ('eventlet', 'greenlet')
        ]
        self.assertEqual([], wrong)

    def test_layers_keep_away_from_what_is_not_their_business(self):
        wrong = []
        for path in sources(ROOT):
            banned = FOREIGN.get(layer(dotted(ROOT, path)), set())
            wrong += [
                str(found)
                for found in imports(ROOT, path)
                if found.module.split('.')[0] in banned
            ]
        self.assertEqual([], wrong)

    def test_the_cli_plugin_needs_no_library_of_the_service(self):
        wrong = []
        for found in all_imports(ROOT):
            top = found.module.split('.')[0]
            if (
                found.file.startswith(f'{PACKAGE}/osc/')
                and top not in OSC_MAY_IMPORT | {PACKAGE}
                and top not in sys.stdlib_module_names
            ):
                wrong.append(str(found))
        self.assertEqual([], wrong)


class TestForm(base.BaseTestCase):
    def test_no_import_hides_in_a_function(self):
        wrong = [str(i) for i in all_imports(ROOT) if i.in_function]
        self.assertEqual([], wrong)

    def test_no_module_is_longer_than_a_reader_can_hold(self):
        wrong = []
        for path in sources(ROOT):
            lines = len(path.read_text().splitlines())
            if lines > MAX_MODULE_LINES:
                wrong.append(f'{path}: {lines} lines')
        self.assertEqual([], wrong)

    def test_no_function_is_longer_than_a_screen(self):
        self.assertEqual([], long_functions(ROOT))

    def test_there_is_no_drawer_for_odds_and_ends(self):
        wrong = [
            str(path)
            for path in sources(ROOT)
            if path.stem in ('common', 'util', 'utils', 'helpers', 'misc')
            or {'common', 'objects', 'managers'}
            & set(path.parts[:-1])
            & set(path.relative_to(ROOT).parts)
        ]
        self.assertEqual([], wrong)


class TestTheTestItself(base.BaseTestCase):
    """A rule that cannot fail is no rule: break each one on purpose."""

    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.create_tempfiles([('x', '')])[0]).parent
        for name in ('model', 'db/claims', 'agent/executor', 'osc/claim'):
            self._write(name, '')

    def _write(self, name, text):
        path = self.root / PACKAGE / f'{name}.py'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def test_a_broken_layer_names_the_file_and_the_import(self):
        self._write('agent/executor', 'from cyborg_fpga.db import claims\n')
        self.assertEqual(
            [
                'cyborg_fpga/agent/executor.py:1 imports '
                'cyborg_fpga.db.claims: agent may not'
            ],
            broken_layers(self.root),
        )

    def test_a_plain_import_is_seen_too(self):
        self._write('osc/claim', 'import os\nimport cyborg_fpga.model\n')
        self.assertEqual(1, len(broken_layers(self.root)))

    def test_an_import_that_is_allowed_is_not_named(self):
        self._write('db/claims', 'from cyborg_fpga import model\n')
        self.assertEqual([], broken_layers(self.root))

    def test_only_the_named_module_of_a_layer_is_open(self):
        self._write('clients/glance', '')
        self._write('clients/placement', '')
        self._write(
            'api/upload',
            'from cyborg_fpga.clients import glance\n'
            'from cyborg_fpga.clients import placement\n',
        )
        found = broken_layers(self.root)
        self.assertEqual(1, len(found))
        self.assertIn('upload.py:2', found[0])

    def test_an_import_in_a_function_is_seen(self):
        self._write('model', 'def f():\n    import os\n')
        found = [i for i in all_imports(self.root) if i.in_function]
        self.assertEqual('os', found[0].module)

    def test_a_cycle_is_refused(self):
        self._write('db/claims', 'from cyborg_fpga.db import hosts\n')
        self._write('db/hosts', 'from cyborg_fpga.db import claims\n')
        order = graphlib.TopologicalSorter(own_graph(self.root))
        self.assertRaises(
            graphlib.CycleError, lambda: tuple(order.static_order())
        )

    def test_a_long_function_is_named(self):
        self._write('model', 'def long():\n' + '    x = 1\n' * 41)
        self.assertIn('long has 41 lines', long_functions(self.root)[0])
