"""Sphinx configuration of the documentation."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / 'doc' / 'ext')]

extensions = [
    'cliff.sphinxext',
    'openstackdocstheme',
    'oslo_config.sphinxext',
    'tables',
]

project = 'cyborg-fpga'
author = 'The cyborg-fpga authors'
copyright = '2026, The cyborg-fpga authors'

html_theme = 'openstackdocs'
pygments_style = 'native'
# Everything is in the checkout: no version or bug tracker is guessed.
openstackdocs_auto_name = False
openstackdocs_auto_version = False
openstackdocs_use_storyboard = False

add_module_names = False
exclude_patterns = []
