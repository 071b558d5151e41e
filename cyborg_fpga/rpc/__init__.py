"""The messages between our processes: one client class per server."""

#: Modules whose exceptions keep their class across RPC.
ALLOWED_REMOTE_EXMODS = ['cyborg_fpga.errors']
