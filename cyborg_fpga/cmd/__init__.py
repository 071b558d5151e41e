"""The processes. Each module has one ``main()`` and none of the logic."""

from oslo_service import backend

# Before anything imports oslo.messaging, which would choose eventlet.
backend.init_backend(backend.BackendType.THREADING)
