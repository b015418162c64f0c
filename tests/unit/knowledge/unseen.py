"""A third business, written after the retrieval was finished and never used to tune it: the honest figure."""

from __future__ import annotations

from tests.unit.knowledge.questions import Question

from aivoice.business.model import Document

DOCUMENTS = (
    Document(
        "salon.md",
        "Cedar Hair Studio",
        """\
## Haircuts

A haircut with wash and styling takes about forty-five minutes. Short hair costs $48, long hair $62.

## Coloring and highlights

Full color starts at $110 and highlights at $140. We ask for a patch test two days before your first color with us.

## Stylists

Our stylists are Rosa, Jamal and Beth. Rosa works Tuesday to Saturday, Jamal and Beth every day that we are open.

## Walk-ins

We take walk-ins when a chair is free, mostly in the mornings. On Saturdays you need an appointment.

## Opening times

We are open Tuesday to Friday from ten to seven and Saturday from nine to four. Sundays and Mondays we are closed.

## Deposits and late cancellation

For color appointments we ask for a $30 deposit. If you cancel less than a day before, we keep it.

## Gift vouchers

Vouchers for any amount can be bought at the desk or on our website, and are good for two years.

## Products

We sell shampoo, conditioner and styling products by two makers, both without animal testing.

## Weddings and events

For weddings we come to your house or hotel. Please book at least six weeks ahead.

## Finding us

The studio is at 9 Market Lane, opposite the town library. The nearest parking garage is on Bridge Street.

## Beards and shaves

Beard trims are $20 and take twenty minutes. We do not offer wet shaves.

## Allergies

Tell us about allergies before any treatment. We have a range of color without ammonia.
""",
    ),
)

QUESTIONS: tuple[Question, ...] = (
    ("how much is a haircut", "Haircuts"),
    ("what do you charge for long hair", "Haircuts"),
    ("how long does a haircut take", "Haircuts"),
    ("what do highlights cost", "Coloring and highlights"),
    ("do i need a patch test", "Coloring and highlights"),
    ("which days does rosa work", "Stylists"),
    ("who are your stylists", "Stylists"),
    ("can i just walk in", "Walk-ins"),
    ("do i need an appointment on saturday", "Walk-ins"),
    ("when are you open", "Opening times"),
    ("are you open on mondays", "Opening times"),
    ("what time do you close on friday", "Opening times"),
    ("do you take a deposit", "Deposits and late cancellation"),
    ("what if i cancel at the last minute", "Deposits and late cancellation"),
    ("do you sell gift vouchers", "Gift vouchers"),
    ("how long is a voucher good for", "Gift vouchers"),
    ("do you sell shampoo", "Products"),
    ("are your products tested on animals", "Products"),
    ("do you do weddings", "Weddings and events"),
    ("can you come to my hotel for a wedding", "Weddings and events"),
    ("where are you located", "Finding us"),
    ("is there somewhere to park", "Finding us"),
    ("do you trim beards", "Beards and shaves"),
    ("can i get a wet shave", "Beards and shaves"),
    ("i have an allergy to ammonia", "Allergies"),
    ("do you fix cars", None),
    ("can you pull a tooth", None),
    ("do you do manicures", None),
    ("do you have massages", None),
    ("what's the weather like", None),
    ("can i bring my dog", None),
    ("do you repair hair dryers", None),
    ("do you pierce ears", None),
    ("are you hiring", None),
    ("do you have wifi", None),
    ("who won the election", None),
    ("do you do tattoos", None),
    ("can you recommend a restaurant", None),
    ("do you sell wigs", None),
    ("is there a student discount", None),
    ("do you do eyebrow threading", None),
    ("can i pay in bitcoin", None),
)
