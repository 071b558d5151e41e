import os
import tempfile
import warnings

# Each process that a test starts would import dnspython for eventlet, and use
# neither.
os.environ['EVENTLET_NO_GREENDNS'] = 'yes'
# futurist looks whether eventlet is there, since Glance brings it.
warnings.filterwarnings('ignore', message=r'\s*Eventlet is deprecated')

from oslo_service import backend  # noqa: E402 (it imports futurist)

from tests.fixtures import folders  # noqa: E402

# Before anything imports oslo.messaging, which would choose eventlet.
backend.init_backend(backend.BackendType.THREADING)

# What a test logs and prints is shown when it fails, and only then.
for _what in ('LOG', 'STDOUT', 'STDERR'):
    os.environ.setdefault(f'OS_{_what}_CAPTURE', '1')

# So that nothing stays of a test, nor of what it starts, when it is killed.
tempfile.tempdir = os.environ['TMPDIR'] = str(folders.own())
