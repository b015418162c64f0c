"""What the agent says for what is written."""

from __future__ import annotations

import pytest

from aivoice.speech.normalise import normalise

CASES = {
    "The exam is $85.": "The exam is eighty five dollars.",
    "It costs $1,250.50 in all": "It costs one thousand two hundred fifty dollars and fifty cents in all",
    "about $1.5 million": "about one point five million dollars",
    "$50-$75, or $120/hr": "fifty to seventy five dollars, or one hundred twenty dollars per hour",
    "only $0.99 or $1": "only ninety nine cents or one dollar",
    "at 9:30am, then 14:00": "at nine thirty A M, then two P M",
    "from 8:00 am to 5:00 pm": "from eight A M to five P M",
    "It is 9:00 or 9:05.": "It is nine o'clock or nine oh five.",
    "9:00-17:00": "nine A M to five P M",
    "5 p.m. today": "five P M today",
    "on 2026-11-24": "on November twenty fourth, twenty twenty six",
    "Nov 24, or 11/24": "November twenty fourth, or November twenty fourth",
    "Tue. 3rd": "Tuesday third",
    "on 31/12": "on December thirty first",
    "Open Mon-Fri 9-5 & Sat closed": "Open Monday to Friday nine to five and Saturday closed",
    "call 555-010-4477": "call five five five, oh one oh, four four seven seven",
    "call (555) 010-4477.": "call five five five, oh one oh, four four seven seven.",
    "call 5550104477": "call five five five, oh one oh, four four seven seven",
    "+44 7700 900123": "plus four four, seven seven oh oh, nine oh oh one two three",
    "anna.b@example.com": "anna dot B at example dot com",
    "jo_x23@mail.example.co.uk": "J O underscore X twenty three at mail dot example dot C O dot U K",
    "see https://www.northsidedental.com/book.": "see northsidedental dot com slash book.",
    "12 Harbour Dr., Apt. 3": "twelve Harbour Drive, Apartment three",
    "1250 N. Main St., Portland, OR 97201": "twelve fifty North Main Street, Portland, Oregon nine seven two oh one",
    "Dr. Okafor at St. Mark's": "Doctor oh-KAH-for at Saint Mark's",
    "on 5th Ave": "on fifth Avenue",
    "5 mi, 72°F, 30 min": "five miles, seventy two degrees Fahrenheit, thirty minutes",
    "a 1/2\" pipe and 6' of it": "a one half inch pipe and six feet of it",
    "20% off & 12.5%": "twenty percent off and twelve point five percent",
    "PPO and ADA plans, NOT cash": "P P O and A D A plans, not cash",
    "WE ARE CLOSED TODAY": "we are closed today",
    "24/7 in the 1990s": "twenty four seven in the nineteen nineties",
    "COVID-19 and H2O": "COVID nineteen and H two O",
    "the code 0142": "the code oh one four two",
    "No. 5? No, thanks.": "number five? No, thanks.",
    "I am here at 9 am": "I am here at nine A M",
    "Is 9 - 5 fine": "Is nine to five fine",
    "we close — soon": "we close, soon",
    "Okafor's and Northside Dental": "oh-KAH-for's and north side dental",
    "e.g. this, etc.": "for example this, et cetera.",
    "**Yes** 🦷 _please_": "Yes please",
    "٣ days, ½ price": "three days, one half price",
    "S-M-I-T-H": "S M I T H",
    "(closed Sundays), Suite #4": "closed Sundays, Suite number four",
    "12/25/26 or 26.11.2026": "December twenty fifth, twenty twenty six or November twenty sixth, twenty twenty six",
    "2 1/2 hours, 1½ cups, 5'10\"": "two and a half hours, one and a half cups, five foot ten",
    "1,000+ people, ~20 min, 50-50": "one thousand plus people, about twenty minutes, fifty fifty",
    "Call 911 or 1-800-555-0199": "Call nine one one or one, eight hundred, five five five, oh one nine nine",
    "4-6pm, 8-noon, 7 days/week": "four to six P M, eight to noon, seven days per week",
    "Room 101, the 2nd-floor office": "Room one oh one, the second floor office",
    "mid-1990s, 25-year-old, US$40": "mid nineteen nineties, twenty five year old, forty dollars",
    "Your code is ND-8472.": "Your code is N D eight four seven two.",
    "AT&T and/or A/C": "A T and T and or A C",
    "Ph.D., P.O. Box 12": "P H D, P O Box twelve",
    "1/2 in. pipe, 2 in. of water": "one half inch pipe, two inches of water",
    "A dentist has plan A.": "a dentist has plan A.",
    "": "",
    "🦷 —": "",
}  # fmt: skip
LEXICON = {"Okafor": "oh-KAH-for", "northside dental": "north side dental"}


@pytest.mark.parametrize("written", CASES)
def test_said_as_a_person_says_it(written: str) -> None:
    assert normalise(written, LEXICON).text == CASES[written]


def test_the_map_cuts_a_price_a_time_and_a_phone_number_at_source_words() -> None:
    spoken = normalise("It is $1,250.50 at 9:30 am, call (555) 010-4477 now")
    pieces = spoken.text.split()
    by_source = {
        word.text: " ".join(pieces[word.first : word.first + word.size])
        for word in spoken.words
    }  # fmt: skip
    assert by_source["$1,250.50"] == "one thousand two hundred fifty dollars and fifty cents"
    assert by_source["9:30"] == "nine thirty"
    assert by_source["am,"] == "A M,"
    assert by_source["(555)"] == "five five five,"
    assert by_source["010-4477"] == "oh one oh, four four seven seven"


def test_marks_of_the_synthesiser_place_source_words_to_the_sample() -> None:
    spoken = normalise("The exam is $85 today")
    # The exam is eighty five dollars today
    marks = {0: 0, 1: 3_000, 2: 8_000, 3: 10_000, 4: 15_000, 5: 19_000, 6: 24_000}
    assert spoken.source_starts(marks, 30_000) == (0, 3_000, 8_000, 10_000, 24_000)


def test_without_marks_long_words_take_longer() -> None:
    spoken = normalise("It is $1,250.50 today")
    starts = spoken.source_starts({}, 48_000)
    assert starts[0] == 0
    assert starts[3] - starts[2] > 3 * (starts[1] - starts[0])
    assert starts[3] < 48_000


def test_a_clause_that_was_cut_inside_a_time_goes_on_right() -> None:
    assert normalise("am on Monday", before="We open at 9:30").text == "A M on Monday"
    assert normalise("am and close at noon.").text == "A M and close at noon."
    assert normalise("am, then").text == "A M, then"
    assert normalise("am happy to help").text == "am happy to help"
    assert normalise("am on my way", before="Yes, I").text == "am on my way"
    assert normalise("24 at noon", before="see you Nov").text == "twenty fourth at noon"
    assert normalise("million a year", before="about $1.5").text == "million dollars a year"


@pytest.mark.parametrize("written", [case for case in CASES if case])
def test_cutting_anywhere_changes_only_words_at_the_cut(written: str) -> None:
    words = written.split()
    whole = normalise(written, LEXICON).text.split()
    for at in range(1, len(words)):
        first = normalise(" ".join(words[:at]), LEXICON).text.split()
        second = normalise(" ".join(words[at:]), LEXICON, before=" ".join(words[:at])).text.split()
        # Look-ahead is gone at the cut: at most the words right beside it read otherwise.
        assert [w.strip(",.") for w in whole[: max(len(first) - 9, 0)]] == [
            w.strip(",.") for w in first[: max(len(first) - 9, 0)]
        ]
        assert whole[len(whole) - max(len(second) - 9, 0) :] == second[min(9, len(second)) :]
