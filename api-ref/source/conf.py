"""Sphinx configuration of the API reference by itself."""

project = 'cyborg-fpga API'
author = 'The cyborg-fpga authors'
copyright = '2026, The cyborg-fpga authors'

extensions = ['openstackdocstheme']
html_theme = 'openstackdocs'
openstackdocs_auto_name = False
openstackdocs_auto_version = False
openstackdocs_use_storyboard = False
