"""The words that rules are made of. Names and meanings are Cyborg's, so
that an operator's overrides of them go on to work.
"""

from oslo_policy import policy

ADMIN = 'rule:admin_api'
PROJECT_READER_OR_ADMIN = 'rule:project_reader_or_admin'
PROJECT_MEMBER = 'rule:project_member_api'
PROJECT_MEMBER_OR_ADMIN = 'rule:project_member_or_admin'
PROJECT_MEMBER_OR_SERVICE = 'rule:project_member_or_service'
PROJECT_MANAGER_OR_ADMIN = 'rule:project_manager_or_admin'

#: No rule answers a system-scoped token: cards are given to projects.
SCOPES = ['project']


def rule(
    name: str, check: str, description: str, *operations: str
) -> policy.DocumentedRuleDefault:
    """A documented rule; *operations* are written ``'GET /v2/claims'``."""
    pairs = [text.split(' ', 1) for text in operations]
    return policy.DocumentedRuleDefault(
        name=name,
        check_str=check,
        description=description,
        operations=[{'method': m, 'path': path} for m, path in pairs],
        scope_types=SCOPES,
    )


def _of_role(role: str) -> list[policy.RuleDefault]:
    return [
        policy.RuleDefault(
            f'project_{role}_api',
            f'role:{role} and project_id:%(project_id)s',
            description=f"Who has the role {role} in the target's project.",
        ),
        policy.RuleDefault(
            f'project_{role}_or_admin',
            f'rule:project_{role}_api or rule:admin_api',
            description=f"Who has the role {role} in the target's project, "
            'and the administrators.',
        ),
    ]


#: Words that no rule of ours uses, and overrides made for Cyborg may.
_CYBORGS = {
    'project_admin_api': 'rule:admin_api and project_id:%(project_id)s',
    'is_admin': 'rule:admin_api',
    'admin_or_owner': 'rule:admin_api or project_id:%(project_id)s',
    'admin_or_user': 'rule:admin_api or user_id:%(user_id)s',
    'allow': '@',
    'deny': '!',
}

RULES = [
    policy.RuleDefault(
        'admin_api', 'role:admin', description='The administrators.'
    ),
    policy.RuleDefault(
        'service_api', 'role:service', description="Other services' users."
    ),
    *_of_role('reader'),
    *_of_role('member'),
    policy.RuleDefault(
        'project_member_or_service',
        'rule:project_member_api or rule:service_api',
        description="Who has the role member in the target's project, and "
        'other services.',
    ),
    *_of_role('manager'),
    *(
        policy.RuleDefault(
            name, check, description="Cyborg's; here for overrides alone."
        )
        for name, check in _CYBORGS.items()
    ),
]
