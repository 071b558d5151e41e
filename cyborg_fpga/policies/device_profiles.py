"""Who may see and make device profiles."""

from cyborg_fpga.policies import base

GET_ALL = 'cyborg:device_profile:get_all'
GET_ONE = 'cyborg:device_profile:get_one'
CREATE = 'cyborg:device_profile:create'
DELETE = 'cyborg:device_profile:delete'

RULES = [
    base.rule(
        GET_ALL,
        base.PROJECT_READER_OR_ADMIN,
        'List the device profiles. Nova does it with the token of the user.',
        'GET /v2/device_profiles',
    ),
    base.rule(
        GET_ONE,
        base.PROJECT_READER_OR_ADMIN,
        'Show a device profile.',
        'GET /v2/device_profiles/{ident}',
    ),
    base.rule(
        CREATE,
        base.ADMIN,
        'Make a device profile.',
        'POST /v2/device_profiles',
    ),
    base.rule(
        DELETE,
        base.ADMIN,
        'Delete device profiles.',
        'DELETE /v2/device_profiles',
        'DELETE /v2/device_profiles/{ident}',
    ),
]
