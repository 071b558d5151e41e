"""Run the YAML files beside this one, each as a story of HTTP requests.

A file's requests run in their order, in one worker: ``group_regex`` in
``.stestr.conf`` knows this module's name, and no file has an underscore in
its own.
"""

import pathlib

from gabbi import driver

from tests.functional.api import gabbi_fixtures


def load_tests(loader, tests, pattern):
    return driver.build_tests(
        str(pathlib.Path(__file__).parent / 'gabbits'),
        loader,
        intercept=gabbi_fixtures.application,
        fixture_module=gabbi_fixtures,
    )
