"""Sphinx configuration of the release notes."""

extensions = ['openstackdocstheme', 'reno.sphinxext']

project = 'cyborg-fpga release notes'
author = 'The cyborg-fpga authors'
copyright = '2026, The cyborg-fpga authors'

html_theme = 'openstackdocs'
openstackdocs_auto_name = False
openstackdocs_auto_version = False
