"""Print one ``name: value unit`` line per figure that was asked for."""

import argparse
import importlib
import pkgutil
import sys
import time
import unittest

import benchmarks


def modules():
    """Every benchmark module, by name."""
    return [
        importlib.import_module(f'benchmarks.{found.name}')
        for found in sorted(pkgutil.iter_modules(benchmarks.__path__))
        if found.name.startswith('bench_')
    ]


def matches(figure, names):
    """Whether a figure is one of *names* or begins with one, by its dots."""
    return not names or any(
        figure == name or figure.startswith(f'{name}.') for name in names
    )


def text(value):
    """Three significant digits of a float; whole numbers as they are."""
    if isinstance(value, float) and abs(value) < 1000:
        return f'{value:.3g}'
    return f'{value:.0f}'


def measure(module, names):
    """Print a module's wanted figures; return those that did not come."""
    missing = {f for f in module.FIGURES if matches(f, names)}
    reaches = getattr(module, 'REACHES', {})
    if not missing:
        return missing
    try:
        for name, value, unit in module.run(frozenset(missing)):
            if name in missing:
                missing.discard(name)
                print(f'{name}: {text(value)} {unit}'.rstrip(), flush=True)
                if name in reaches:
                    print(verdict(name, value, *reaches[name]), flush=True)
    except unittest.SkipTest as exc:
        print(f'{module.__name__}: {exc}', file=sys.stderr)
    return missing


def verdict(name, value, way, bound):
    """Whether a figure is where it is to be."""
    there = value <= bound if way == 'at most' else value >= bound
    word = 'reached' if there else 'not reached'
    return f'  {name} is to be {way} {bound}: {word}'


def parse(argv):
    parser = argparse.ArgumentParser(prog='tools/bench', description=__doc__)
    parser.add_argument(
        'names',
        nargs='*',
        metavar='NAME',
        help='a figure, or the beginning of some; default: all',
    )
    parser.add_argument(
        '--list', action='store_true', help='print the names and end'
    )
    return parser.parse_args(argv)


def main(argv=None):
    args = parse(argv)
    found = modules()
    figures = [figure for module in found for figure in module.FIGURES]
    if args.list:
        print('\n'.join(figures))
        return 0
    for name in args.names:
        if not any(matches(figure, [name]) for figure in figures):
            print(f'No figure is called {name}; see --list.', file=sys.stderr)
            return 2
    started = time.monotonic()
    missing = set()
    for module in found:
        missing |= measure(module, args.names)
    seconds = time.monotonic() - started
    print(f'Measured in {seconds:.0f} s.', file=sys.stderr)
    for name in sorted(missing):
        print(f'{name} was not measured.', file=sys.stderr)
    return 1 if missing else 0


if __name__ == '__main__':
    sys.exit(main())
