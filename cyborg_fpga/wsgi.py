"""``cyborg_fpga.wsgi:application`` for any WSGI server.

Reads the configuration files that oslo.config finds by itself:
``/etc/cyborg_fpga/cyborg_fpga.conf`` and its companions.
"""

from cyborg_fpga.cmd import api

application = api.application()
