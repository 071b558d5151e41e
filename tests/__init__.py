import os

from oslo_service import backend

# Before anything imports oslo.messaging, which would choose eventlet.
backend.init_backend(backend.BackendType.THREADING)

# What a test logs and prints is shown when it fails, and only then.
for _what in ('LOG', 'STDOUT', 'STDERR'):
    os.environ.setdefault(f'OS_{_what}_CAPTURE', '1')
