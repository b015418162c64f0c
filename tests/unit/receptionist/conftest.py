"""Businesses of odd trades with odd tool schemas, each as a `Dialogue` with the receptionist."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from aivoice.business.hours import Hours
from aivoice.core.prompt import Passage, ToolSpec
from aivoice.providers.receptionist import Facts, Receptionist
from aivoice.testing.dialogue import Dialogue

TEXT: dict[str, Any] = {"type": "string"}


def at(hour: int, minute: int = 0) -> dt.time:
    return dt.time(hour, minute)


def week(*days: tuple[tuple[dt.time, dt.time], ...]) -> Hours:
    thanksgiving = (dt.date(2026, 11, 26), (), "Thanksgiving")
    return Hours(weekly=days, special=(thanksgiving,), known=True)


def tool(name: str, about: str, side_effects: bool, required: list[str], /, **properties: Any) -> ToolSpec:
    schema = {"type": "object", "properties": properties, "required": required}
    return ToolSpec(name, about, schema, side_effects)


MESSAGE = tool(
    "take_message",
    "Take a message for the team",
    True,
    ["name", "phone", "message"],
    name={**TEXT, "description": "Caller's name"},
    phone={**TEXT, "format": "phone", "description": "Number to call back"},
    message={**TEXT, "description": "The message", "maxLength": 1000},
)
SERVICES = {**TEXT, "enum": ["cleaning", "filling", "whitening", "checkup"]}

DENTAL = Facts(
    "Bright Dental",
    hours=week(*(((at(8), at(17)),),) * 5, ((at(9), at(13)),), ()),
    targets=(("front desk", ("front desk", "the dentist")),),
    prices=(
        ("Cleaning", "$95", ""),
        ("Teeth whitening", "$350", "It takes about an hour"),
        ("Small filling", "$150", ""),
        ("Large filling", "$220", ""),
    ),
    address="12 Main Street",
    phone="555-010-2000",
    emergency=(("can't breathe",), "Please hang up and call 911.", "front desk"),
)
DENTAL_TOOLS = (
    tool(
        "check_availability",
        "Find free appointment times on a day",
        False,
        ["date"],
        date={**TEXT, "format": "date"},
        service=SERVICES,
    ),
    tool(
        "book_appointment",
        "Book an appointment",
        True,
        ["service", "date", "time", "name", "phone"],
        service=SERVICES,
        date={**TEXT, "format": "date"},
        time={**TEXT, "description": "Time as HH:MM"},
        name={**TEXT, "description": "Patient's full name"},
        phone={**TEXT, "format": "phone"},
        new_patient={"type": "boolean", "description": "Whether the caller is a new patient"},
    ),
    tool(
        "cancel_appointment",
        "Cancel an appointment",
        True,
        ["name", "date"],
        name=TEXT,
        date={**TEXT, "format": "date"},
    ),
    MESSAGE,
)

LAW = Facts(
    "Marsh and Cole Law",
    hours=week(*(((at(9), at(18)),),) * 5, (), ()),
    targets=(("intake specialist", ("intake", "specialist")), ("billing", ("billing",))),
)
INTAKE = ToolSpec(
    "create_intake",
    "Create a new client intake record",
    {
        "type": "object",
        "$defs": {
            "Person": {
                "type": "object",
                "properties": {"full_name": TEXT, "dateOfBirth": {**TEXT, "format": "date"}},
                "required": ["full_name", "dateOfBirth"],
            }
        },
        "properties": {
            "client": {"$ref": "#/$defs/Person"},
            "caseType": {
                "enum": ["personal_injury", "family", "criminal defense", "immigration"],
                "description": "Area of law",
            },
            "incident_date": {**TEXT, "format": "date", "description": "Date when the incident happened"},
            "opposing_parties": {"type": "array", "items": TEXT, "description": "Names of the opposing parties"},
            "has_lawyer": {"type": "boolean", "description": "Whether the caller has a lawyer already"},
            "email": {**TEXT, "format": "email"},
            "summary": {**TEXT, "description": "Short description of what happened", "minLength": 5},
            "source": {"const": "telephone"},
        },
        "required": ["client", "caseType", "incident_date", "has_lawyer", "email", "summary", "source"],
    },
    True,
)

RESTAURANT = Facts(
    "Trattoria Sole",
    hours=week(
        (), *(((at(17), at(22, 30)),),) * 4, ((at(12), at(15)), (at(17), at(23))), ((at(12), at(15)), (at(17), at(23)))
    ),
)
RESERVE = tool(
    "reserveTable",
    "Reserve a table",
    True,
    ["partySize", "startsAt", "guestName"],
    partySize={"type": "integer", "minimum": 1, "maximum": 12, "description": "Number of guests"},
    startsAt={**TEXT, "format": "date-time", "description": "Start of the reservation"},
    guestName=TEXT,
    seating={"type": ["string", "null"], "enum": ["inside", "terrace", "bar", None]},
    allergies={"type": "array", "items": {**TEXT, "enum": ["nuts", "gluten", "shellfish", "dairy"]}},
)

TOWING = Facts("Rapid Towing", hours=week(*(((at(0), at(0)),),) * 7), targets=(("dispatcher", ("dispatcher",)),))
TOW_TOOLS = (
    tool(
        "dispatch_truck",
        "Dispatch a tow truck to a stranded vehicle",
        True,
        ["pickup_location", "vehicle", "plate", "issue", "callback"],
        pickup_location={**TEXT, "description": "Where the vehicle is"},
        vehicle={**TEXT, "description": "Make, model and color of the vehicle"},
        plate={**TEXT, "description": "License plate", "pattern": "^[A-Z0-9]{4,8}$"},
        issue={
            **TEXT,
            "enum": ["flat_tire", "dead_battery", "accident", "locked_out", "wont_start"],
            "x-synonyms": {"flat_tire": ["flat", "puncture"], "wont_start": ["won't start", "not starting"]},
        },
        callback={**TEXT, "description": "Phone number to reach the driver"},
        passengers={"type": "integer", "minimum": 0, "description": "Number of passengers who need a ride"},
    ),
    tool(
        "truck_eta",
        "Get the status and ETA of a dispatched truck",
        False,
        ["job_number"],
        job_number={**TEXT, "description": "Job number"},
    ),
    tool(
        "get_quote",
        "Quote the price of a tow",
        False,
        ["miles"],
        miles={"type": "number", "description": "Distance in miles"},
    ),
    MESSAGE,
)

OFFICES: dict[str, tuple[Facts, tuple[ToolSpec, ...]]] = {
    "dental": (DENTAL, DENTAL_TOOLS),
    "law": (LAW, (INTAKE, MESSAGE)),
    "restaurant": (RESTAURANT, (RESERVE, MESSAGE)),
    "towing": (TOWING, TOW_TOOLS),
}
PASSAGES = (
    Passage(
        "## Insurance\n\nWe accept Delta Dental, Cigna and MetLife. Ask us about payment plans.",
        "insurance.md",
        "Insurance",
    ),
    Passage("Free parking is behind the building. The entrance is on Oak Lane.", "visit.md", "Parking"),
    Passage("Please bring a photo ID and your insurance card to your first visit.", "visit.md", "First visit"),
)


def answers(name: str, given: dict[str, Any]) -> object:
    match name:
        case "check_availability":
            return {"date": given["date"], "slots": ["09:00", "10:30", "14:00", "15:00", "16:30"]}
        case "book_appointment":
            return {"status": "ok", "confirmation": "B12"}
        case "truck_eta":
            return {"status": "ok", "eta_minutes": 25}
        case "get_quote":
            return {"price": 85 + 4 * given["miles"], "currency": "USD"}
        case _:
            return {"status": "ok"}


Office = Callable[..., Dialogue]


@pytest.fixture(scope="session")
def office() -> Office:
    def make(name: str, answer: Callable[[str, dict[str, Any]], object] = answers, **more: Any) -> Dialogue:
        facts, specs = OFFICES[name]
        return Dialogue(Receptionist(facts), specs, answer, lambda text: PASSAGES, **more)

    return make


@pytest.fixture(scope="session")
def offices() -> dict[str, tuple[Facts, tuple[ToolSpec, ...]]]:
    return OFFICES
