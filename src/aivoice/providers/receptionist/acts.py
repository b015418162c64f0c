"""What a caller is doing with a sentence: greeting, asking for a person, correcting, saying goodbye, asking something.

A table of patterns over the plain text (lower case, no punctuation, as a recogniser may write it). One utterance may
do several things. Patterns say what counts in a telephone call to a business, not what could be said in English.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, cast

from aivoice.providers.receptionist.text import plain, words

Act = Literal[
    "greeting", "thanks", "bye", "yes", "no", "person", "hear", "robot", "repeat", "slower", "hours", "cancel",
    "message", "wait", "who", "how_are_you", "correction", "question", "price", "restart", "dont_know", "nothing_else",
    "clock", "abuse", "start_again", "other_time", "help", "hurry", "complaint", "spell",
]  # fmt: skip

_PERSON = (
    r"(person|human|human being|someone|somebody|representative|rep|operator|agent|receptionist|manager|"
    r"supervisor|real (person|human|one)|front desk|live (person|agent)|staff|team member|colleague|"
    r"actual person|attendant|dispatcher)"
)

PATTERNS: tuple[tuple[Act, re.Pattern[str]], ...] = tuple(
    (cast("Act", act), re.compile(pattern))
    for act, pattern in (
        ("greeting", r"^(uh |um |oh |well )*(hi|hello|hey|good (morning|afternoon|evening)|howdy|greetings)\b"),
        ("thanks", r"\b(thanks|thank you|appreciate (it|that)|cheers)\b"),
        (
            "bye",
            r"\b(bye|goodbye|good bye|bye bye|see (you|ya)( later| soon| then| on \w+)?|talk (to you )?(later|"
            r"soon)|have a (good|nice|great|lovely) (day|one|evening|night|weekend|afternoon)|take care|i('ll|"
            r" will) let you go|hang up( now)?)\b",
        ),
        (
            "nothing_else",
            r"^(no |nope |nah |oh |ok |okay |great |perfect |alright |all right |thanks |thank you |um |uh |and |"
            r"yes |yeah |i think )*(that('s| is| was| will be|'ll be) (all|it|everything)|nothing else|"
            r"nothing more|i'm (all set|good|done|fine)|we're (all set|good|done)|that's all i need(ed)?|all good|"
            r"all set)\b",
        ),
        (
            "person",
            rf"\b(speak|talk|speaking|talking|chat)( (to|with))( (a|an|the|your|some|one of your|an actual|a real|"
            rf"any))? ({_PERSON}|people|lawyer|attorney|doctor|dentist|nurse|plumber|technician|owner|boss|driver|"
            rf"humans?)\b",
        ),
        (
            "person",
            rf"\b(transfer|connect|forward|route) (me|my call|us|this call)\b|\bput me (through|on)\b|\bpatch me\b|"
            rf"\bpass me (on|over|to)\b|\bget me (a|an|the|your|some) {_PERSON}\b|\bgive me (a|an|the|"
            rf"your) {_PERSON}\b",
        ),
        (
            "person",
            r"\b(want|need|like|prefer|get|have|reach|is there)( to (have|get|reach|see))?( to)? (a|an|the|some|"
            r"any|your)? ?(real |live |actual )?(person|human|human being|representative|operator|live agent|"
            r"supervisor)\b",
        ),
        (
            "person",
            r"^((please|uh|um|just|no|hello|hi|hey) )*(a )?(real |live |actual )?(person|human|operator|"
            r"representative|agent)( please)?$",
        ),
        ("person", r"\b(can|could|may) i (speak|talk) (to|with) (?!you\b)\w+"),
        (
            "hear",
            r"\b(can|do) you hear me\b|\bare you (still )?(there|here|listening)\b|\b(anyone|anybody|is (someone|"
            r"somebody|anyone)) there\b|\bhello hello\b|\byou still there\b|\bdid (i|we) (lose|get cut)\b",
        ),
        (
            "robot",
            r"\b(are|r) you (a |an |even )*(real( person| human)?|robot|bot|human( being)?|machine|computer|ai|"
            r"a i|person|recording|automated|chatbot|artificial)\b|\b(is this|am i (talking|speaking) (to|with)|"
            r"this is) (a |an )*(robot|bot|machine|computer|recording|ai|a i|real person|human|automated|"
            r"answering machine|chatbot)\b",
        ),
        (
            "repeat",
            r"\b(say|repeat|read|run) (that|it|this|those|them)( (again|back|by me|one more time|once more|to me|"
            r"please))+\b|\b(repeat|say) (that|it)\b|\bcome again\b|\bpardon\b|\bwhat (was|were) (that|those|"
            r"the)( last| options| times)?( again)?$|\bdidn't (catch|hear|get|understand) (that|you|it|what|all|"
            r"a)\b|\bcan you repeat\b|\bone more time\b|\bsay again\b|\bwhat did you say\b|^(sorry|what|huh|"
            r"excuse me|again)( what)?$|\bwhat do you mean\b|\bi (don't|didn't) understand\b|\bwhat('s| is|"
            r" was) the question\b|\bcan't hear you\b|\bcouldn't hear\b|\brepeat please\b",
        ),
        ("slower", r"\b(slow down|slower|more slowly|too fast|not so fast|talking fast|speak up|louder)\b"),
        (
            "hours",
            r"\b(weekend|saturday|sunday|evening)s? (appointments?|hours|visits?|openings?)\b|"
            r"\b(opening|business|office|working|store|holiday|your|the|weekend|what) (hours|times)\b|"
            r"\bhours (are|do|of|on|for)\b|\b(are|will|is|were|if) (you|you guys|y'all|they|the \w+|it|"
            r"your \w+)( all)?( still| gonna be| going to be| be)? (open|closed|opened)\b|\bhow (late|early) (are|"
            r"do|will|is) (you|the|it)\b|\bhow long are you open\b|\b(until|till|til) (when|what time)\b|"
            r"\bwhat (time|day|days) (do|are|does|will|is) (you|the|it|they|your)\w* ?\w* ?(open|close|opened|"
            r"closed|closing|shut)\b|\bwhen (do|does|are|will|is) (you|the|it|they|your)\w* ?\w* ?(open|close|"
            r"opened|closed|closing|shut|there)\b|\b(do|will) you (guys )?(open|close)\b|\bclosing time\b|"
            r"\bopen (on|at|today|tomorrow|now|right now|this|tonight|weekends|late|sundays|saturdays)\b|"
            r"\byou open\b|\bwhen do you (close|open)\b",
        ),
        (
            "cancel",
            r"\b(forget (it|that|about it|about that|the whole thing)|never ?mind|scrap (that|it)|cancel (that|it|"
            r"this|please)$|cancel (that|it)\b|drop it|leave it|changed my mind|don't (want|need) (it|that|"
            r"to book|an appointment|to do that|to do this|anything|one)( anymore| any more| now)?|do not (want|"
            r"book)|don't (book|do|send|bother|worry about) ?(it|that|this)?|stop (that|this|it)|no longer (want|"
            r"need)|let's not|"
            r"rather not(?! (?:say|give|tell|share))|skip it|i'll (call back|think about it|pass))\b|^cancel$",
        ),
        (
            "message",
            r"\b(leave|take|pass|give|send)( \w+){0,2} (a |the |this |my )?(message|note)\b|\b(have|get|"
            r"ask) (\w+ ){1,3}(to )?(call|ring|phone) me( back)?\b|\b(call|ring|phone|calls) me back\b|\b(tell|"
            r"let) (him|her|them|the (doctor|dentist|manager|owner|team|office))( know)?\b|\bcall ?back\b",
        ),
        (
            "wait",
            r"\b(hold on|hang on|(give|gimme) me (a|one) (second|sec|minute|moment)|one (second|sec|moment|"
            r"minute)|just a (second|sec|moment|minute)|wait a (second|sec|minute|moment)|let me (check|see|look|"
            r"think|find|get)|bear with me|a moment please)\b|^(wait|hmm|um|uh)$",
        ),
        (
            "who",
            r"\b(who (is this|am i (speaking|talking) (to|with)|are you|'s this)|what('s| is) your name|"
            r"what (company|business|place|office) is this|is this (the )?\w+ ?(dental|plumbing|office|clinic|"
            r"practice|company|restaurant)|who do i have|did i (call|reach|get)|have i (reached|called))\b|"
            r"^who's this",
        ),
        (
            "how_are_you",
            r"\bhow (are|r) (you|ya|things)( doing)?( today)?$|\bhow('s| is) it going\b|\bhow (are|"
            r"r) you( doing)?( today)?\b(?! (able|open|going))",
        ),
        (
            "correction",
            r"^(oh |uh |um |well |sorry )*(no|nope|wait|actually|sorry|hang on|hold on|oops)\b|\b(actually|"
            r"i mean(t)?|make (it|that)|change (it|that|the|my)|instead|rather|correction|not (that|quite)|"
            r"that's (wrong|not right|incorrect|not correct)|it('s| is| should be) (not|actually)|should be|"
            r"let me correct|correct that|switch (it|that)|on second thought|scratch that|wrong)\b",
        ),
        (
            "price",
            r"\b(how much|price|prices|pricing|cost|costs|fee|fees|charge|charges|rate|rates|what do you charge|"
            r"expensive|cheap|quote)\b|\b(is|are|be) (it|that|they) free\b|\bfree of charge\b|\bfor free\b",
        ),
        (
            "dont_know",
            r"\b(i )?(don't|do not) (know|remember|have (it|one|that|an? \w+))\b|\bnot sure\b|\bno idea\b|"
            r"\bno (e-?mail|phone)\b|\bi (haven't|have not) got\b|"
            r"\b(prefer|rather) not( (to )?(say|give|tell|share)\b|$)|"
            r"\b(don't|do not) (want|wanna|wish|like) (to )?"
            r"(say|give|tell|share)( \w+)? (my|you|that|it|out)\b|"
            r"^(skip|pass|none|nothing|no preference|doesn't matter|whatever|any|anything)( please| is fine)?$",
        ),
        (
            "clock",
            r"\bwhat (time is it|day is it|is (today's|the) date|day is today|date is it|'s (today's|the) date)\b|"
            r"\bwhat's (the (time|date)|today's date)\b",
        ),
        ("abuse", r"\b(stupid|idiot|useless|dumb|fuck\w*|shit\w*|moron|asshole|bullshit|damn)\b"),
        (
            "help",
            r"\bwhat (can|could) (you|i) (do|help|ask)\b|\bhow can you help\b|\bwhat are (my|the) options\b|"
            r"\bwhat do you do\b",
        ),
        ("hurry", r"\b(hurry( up)?|(be|make it) (quick|fast)|in a (rush|hurry))\b"),
        (
            "complaint",
            r"\b(was|were) supposed to (come|be|call|show|arrive)\b|\b(never|didn't|hasn't|nobody|no one) (came|come|"
            r"showed|show|called|call|turned up|arrived?)\b|\b(been|still) waiting\b|\b(ridiculous|unacceptable|"
            r"(terrible|awful) service)\b|\bi('d| would| want)( like)? to complain\b",
        ),
        (
            "spell",
            r"\b(can|could|would) you (please )?spell\b|\bhow (do|would) you spell\b|"
            r"\bhow('s| is) (that|it) spelled\b",
        ),
        ("start_again", r"\b(start (over|again|from the (beginning|top))|begin again|from scratch)\b"),
        (
            "other_time",
            r"\b(another|other|different|else|later|earlier|next available|any other|something else) ?(time|times|"
            r"day|days|slot|slots|option|options|dates?|available|open)?\b|\b(none of (those|these|them)|neither|"
            r"doesn't work|don't work|can't (do|make) (that|those|any))\b|\bwhat else\b|"
            r"\b(what|which) times (do you|are|have|would|can)\b",
        ),
    )
)

_QUESTION = re.compile(
    r"^(?:(?:and|so|but|also|oh|ok|okay|well|um|uh|yes|yeah|no|hi|hello|hey|sorry|actually|quick question|"
    r"wait|first|good|morning|afternoon|evening|there|alright|great|thanks|perfect|before (?:that|"
    r"we do that|i forget)) )*"
    r"(?:what|what's|whats|when|when's|where|where's|who|who's|why|how|how's|which|whose|do|does|did|is|"
    r"are|was|were|can|could|will|would|should|have|has|am|may)\b"
)
_INNER_QUESTION = re.compile(
    r"\b(how much|how many|how long|how far|how do|how does|how can|how would|what kind|what type|"
    r"what time|what's the|what is the|what are|what do|what about|what should|where (are|is|do|can)|"
    r"when (do|does|is|are|can|will)|do you (have|do|take|accept|offer|know|guys|also|provide|work|sell|"
    r"serve|charge|deal|come|cover|handle|give|allow|speak)|are you able|are there|is there|can you|"
    r"could you|can i bring|should i bring|i (was )?wonder(ing)?|(want|like|love|need) to (know|ask)|"
    r"question about|tell me about|tell me (what|how|where|when|whether|if)|do i (need|have)|"
    r"which \w+ do you)\b"
)
REQUEST = re.compile(
    r"\b(i'd like(?! to (?:know|ask))|i would like(?! to (?:know|ask))|i want(?! to (?:know|ask))|"
    r"i need|i wanna|i'm looking|looking to|we need|we'd like|we want|"
    r"can i (get|have|book|make|come|schedule|reserve|see|set)|could i (get|have|book|make|come|schedule|"
    r"reserve|see|set)|may i (book|make|have)|can i (cancel|change|move|reschedule)|can you (cancel|"
    r"change|move|reschedule|book|schedule|send|come|help|get|tow|make|reserve|put|set|check|find|tell|"
    r"look)|could you (cancel|change|move|reschedule|book|schedule|send|come|help|get|tow|make|reserve|"
    r"put|set|check|find|look)|i'm calling (to|about|for|because)|calling (to|about|for)|do you have (any|"
    r"anything|something|a)|are there any|is there (any|anything|something)|please (book|send|schedule|"
    r"make)|let's (book|do|schedule|make)|want to(?! (?:know|ask))|like to(?! (?:know|ask))|need to|"
    r"trying to|have to|hoping to|book|"
    r"schedule|reserve|send (me|us|someone|somebody))\b"
)
_YES = re.compile(
    r"^(?:(?:oh|uh|um|well|and|so|okay|ok|ah|hmm|mm) )*(?:yes|yeah|yep|yup|ya|sure|correct|right|exactly|"
    r"absolutely|definitely|certainly|of course|please do|go ahead|go for it|do it|do that|sounds (?:good|"
    r"great|right|fine|perfect|okay)|that(?:'s| is) (?:right|correct|fine|good|perfect|great|it|okay|ok|"
    r"all right|alright|all correct)|that (?:works|sounds|would be|will)|perfect|great|fine|alright|"
    r"all right|okay|ok|please|uh huh|mm hmm|mhm|yes please|book it|it is|i am|i do|i have|we are|we do|"
    r"good|looks good|all good|confirmed?|affirmative|indeed|you got it|why not|works for me|"
    r"let's do (?:it|that))\b"
)
_NO = re.compile(
    r"^(?:(?:oh|uh|um|well|and|so|sorry|ah|hmm|actually|wait|okay|ok) )*(?:no|nope|nah|not (?:really|"
    r"quite|right|yet|now|at the moment|exactly|correct|that)|negative|i'm not|i don't|i am not|i do not|"
    r"we don't|never|that's not|that is not|that's wrong|that isn't|don't|do not|wrong|incorrect)\b"
)
_NO_IDIOM = re.compile(r"^(?:no|not) (?:problem|worries|a problem|doubt|bother)\b")
_TAIL_NEGATES = re.compile(
    r"^(?:yes|yeah|yep|okay|ok|right|well|sure) (?:but |and )?(?:no|not|wait|actually|hold on|don't|"
    r"do not|except|hang on)\b"
)


@lru_cache(maxsize=4096)
def acts_of(text: str) -> frozenset[Act]:
    """Everything the utterance does. Yes and no exclude each other; "no problem" is a yes; "yes but not …" neither."""
    said = plain(text)
    if not said:
        return frozenset()
    found: set[Act] = {act for act, pattern in PATTERNS if pattern.search(said)}
    idiom = _NO_IDIOM.match(said)
    if idiom or (_YES.match(said) and not _TAIL_NEGATES.match(said)):
        found.add("yes")
    elif _NO.match(said):
        found.add("no")
    if idiom:
        found.discard("correction")
    if (
        "no" not in found
        and "yes" in found
        and "correction" in found
        and not re.search(
            r"\b(but|actually|make|change|instead|wrong|should be|except|scratch|switch|on second thought|i mean|"
            r"rather)\b",
            said,
        )
    ):
        found.discard("correction")
    if ("?" in text and len(words(said)) > 1) or _QUESTION.match(said) or _INNER_QUESTION.search(said):
        found.add("question")
    if "robot" in found and "person" in found and not re.search(r"\b(speak|talk) to\b|\btransfer|\bput me", said):
        found.discard("person")
    if "message" in found and re.search(r"\b(message|note)\b", said):
        found.discard("person")
    if re.match(r"^(bye|goodbye)\b", said) is None and re.search(r"\bhave a (\w+ )?(question|problem|look)\b", said):
        found.discard("bye")
    if "wait" in found and len(words(said)) > 9:
        found.discard("wait")
    return frozenset(found)


_SPLIT = re.compile(
    r"(?<=[?!;])\s+|(?<=\w\w\.)\s+|\b(?:by the way|and also|oh and|also,|and by the way|"
    r"and one more thing|and another thing|but first|before that|before we do that)\b|,? and (?=(?:what|"
    r"how|when|where|do|are|is|can|could|who|which|does|will)\b)|,? but (?=(?:what|how|when|where|do|are|"
    r"is|can|could|who|which|does|will)\b)",
    re.I,
)


@lru_cache(maxsize=4096)
def segments(text: str) -> tuple[str, ...]:
    """The utterance in pieces that may each do something else; the whole when nothing separates them."""
    pieces = [piece.strip(" ,") for piece in _SPLIT.split(text) if piece and piece.strip(" ,.")]
    return tuple(pieces) or (text,)
