"""The processes. Each module has one ``main()`` and none of the logic."""

import warnings

# Where Glance is installed beside us so is eventlet. Nothing of ours uses
# it, but futurist looks whether it is there, and it then says its farewell.
warnings.filterwarnings('ignore', message=r'\s*Eventlet is deprecated')

from oslo_service import backend  # noqa: E402 (it imports futurist)

# Before anything imports oslo.messaging, which would choose eventlet.
backend.init_backend(backend.BackendType.THREADING)
