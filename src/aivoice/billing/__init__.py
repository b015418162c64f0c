"""Credit, plans, leases of running calls, usage, statements. See docs/billing.md and docs/adr/0084."""

from aivoice.billing.accounts import Limits
from aivoice.billing.books import open_account
from aivoice.billing.check import check, check_all
from aivoice.billing.leases import Admission, Bill, CallRecords, Leases, Recovered, holders
from aivoice.billing.notices import Notices
from aivoice.billing.operator import Standing, adjust, set_limits, set_plan, standing, top_up
from aivoice.billing.plans import DEFAULT_PLAN, OPENING_CREDIT, Plan, period_of
from aivoice.billing.prices import Prices, load_prices
from aivoice.billing.running import CallCredit
from aivoice.billing.statements import Statement, statement
from aivoice.billing.usage import UsageEvent, call_cost, record, usage

__all__ = [
    "DEFAULT_PLAN",
    "OPENING_CREDIT",
    "Admission",
    "Bill",
    "CallCredit",
    "CallRecords",
    "Leases",
    "Limits",
    "Notices",
    "Plan",
    "Prices",
    "Recovered",
    "Standing",
    "Statement",
    "UsageEvent",
    "adjust",
    "call_cost",
    "check",
    "check_all",
    "holders",
    "load_prices",
    "open_account",
    "period_of",
    "record",
    "set_limits",
    "set_plan",
    "standing",
    "statement",
    "top_up",
    "usage",
]
