"""The money type: whole quota units, never a float."""

from typing import NewType

Quota = NewType("Quota", int)  # 500 000 = 1 USD unless the option QuotaPerUnit says otherwise

QUOTA_PER_UNIT = 500_000  # default of the option QuotaPerUnit; quota units in one USD
